import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder of its own, for whatever may start an embedded database in it. */
export async function makeDataFolder(purpose: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `mediadock-${purpose}-`));
  // Run by root, the database works as another user, who has to get in here.
  await chmod(folder, 0o755);
  return folder;
}
