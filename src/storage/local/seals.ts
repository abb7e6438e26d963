import { mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nullIfMissing, versionNowOrNull, versionOrNull } from './durable-files.js';
import type { ObjectPaths } from './object-path.js';

/**
 * Marks on keys to which nothing is to be put any more, though a signed URL still says that it can. Each is an empty
 * folder, named by a digest: of a photo that was deleted there shall stay neither a file nor a name.
 *
 * They are not flushed. Should a power cut take one, its URL works once more, and the sweeper removes what it stored.
 */
export class Seals {
  constructor(private readonly paths: ObjectPaths) {}

  /** Does nothing when there is one. */
  async set(key: string): Promise<void> {
    await mkdir(this.paths.seal(key), { recursive: true });
  }

  async isSet(key: string): Promise<boolean> {
    return (await versionOrNull(this.paths.seal(key))) !== null;
  }

  /** The same of a key that was looked at not long ago, so that nobody has to wait for the disk. */
  isSetNow(key: string): boolean {
    return versionNowOrNull(this.paths.seal(key)) !== null;
  }

  /** Does nothing when there is none. */
  async lift(key: string): Promise<void> {
    await rmdir(this.paths.seal(key)).catch(nullIfMissing);
  }

  /** Lifts those whose URLs are dead, should a process have been killed between the upload and its seal. */
  async liftStale(olderThan: Date): Promise<void> {
    const names = await readdir(this.paths.seals).catch(nullIfMissing);
    for (const name of names ?? []) {
      const path = join(this.paths.seals, name);
      const found = await stat(path).catch(nullIfMissing);
      if (found !== null && found.ctimeMs < olderThan.getTime()) {
        await rmdir(path).catch(nullIfMissing);
      }
    }
  }
}
