import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Every file below the object folder of an application, as paths from there; an empty list means no bytes are left. */
export async function objectFiles(dataDir: string, area = ''): Promise<string[]> {
  const root = join(dataDir, 'objects', area);
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted();
}
