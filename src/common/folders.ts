import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasErrorCode } from './error-code.js';

const PASSABLE = 0o755;

/**
 * Makes a folder, with all levels that are missing, which every account can pass through: root lends the database server
 * another one, and under the umask 077 that is common for root each new level would be private. What is there already stays
 * as it is.
 */
export async function makePassableFolder(path: string): Promise<void> {
  const firstCreated = await mkdir(path, { recursive: true });
  if (firstCreated !== undefined && process.getuid?.() === 0) {
    for (let folder = path; folder.length >= firstCreated.length; folder = dirname(folder)) {
      await chmod(folder, PASSABLE);
    }
  }
}

/** Makes what was created, renamed or linked in it survive a power cut, where the file system can do that. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    if (!hasErrorCode(error, 'EINVAL', 'EPERM', 'ENOTSUP')) {
      throw error;
    }
  } finally {
    await folder.close();
  }
}
