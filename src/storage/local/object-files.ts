import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ObjectMetadata, StorageArea } from '../object-storage.js';
import {
  copyDurably,
  type FileVersion,
  inDirectory,
  isFileSystemError,
  nullIfMissing,
  pruneEmptyDirectories,
  removeStaleFiles,
  syncDirectory,
  tryLink,
  versionOf,
  versionOrNull,
  writeDurably,
} from './durable-files.js';
import { ObjectExistsError } from './local-upload.errors.js';
import type { ObjectPaths } from './object-path.js';

/** What is kept beside an object. */
export interface Sidecar extends ObjectMetadata {
  /** Generation of the upload that this object was promoted from. */
  readonly promotedFrom?: string;
}

/** An object as it lies on the disk. */
export interface StoredObject extends FileVersion {
  readonly path: string;
  readonly sidecar: Sidecar;
}

/** How often a reader looks again when an object is replaced under its eyes. */
const FIND_ATTEMPTS = 5;

/**
 * Objects as files. An object is its bytes plus a sidecar with its metadata, and there only when both are. The sidecar
 * is named after the generation of the bytes it belongs to, so that the loser of a race cannot relabel the
 * winner's bytes, and replaced bytes never show under the new label.
 *
 * Bytes go to a temporary file first, complete and flushed, and are then linked or renamed into place. Throws what
 * the file system throws.
 */
export class ObjectFiles {
  private readonly writing = new Set<Promise<unknown>>();

  constructor(
    private readonly paths: ObjectPaths,
    private readonly hardLinks: boolean,
  ) {}

  async find(area: StorageArea, key: string): Promise<StoredObject | null> {
    const path = this.paths.object(area, key);
    for (let attempt = 0; attempt < FIND_ATTEMPTS; attempt++) {
      const version = await versionOrNull(path);
      if (version === null) {
        return null;
      }
      const sidecar = await readSidecar(this.paths.sidecar(area, key, version.generation));
      if (sidecar !== null) {
        return { ...version, path, sidecar };
      }
    }
    return null;
  }

  /** Whether anything blocks the object's place, even what a killed process left there in half. */
  async isTaken(area: StorageArea, key: string): Promise<boolean> {
    return (await versionOrNull(this.paths.object(area, key))) !== null;
  }

  /** Stores a new object. @throws ObjectExistsError when there is one */
  async create(
    area: StorageArea,
    key: string,
    body: AsyncIterable<Uint8Array>,
    sidecar: Sidecar,
  ): Promise<FileVersion> {
    return this.withTemporary(async (temporary) => {
      await writeDurably(temporary, body);
      return this.publish(area, key, temporary, sidecar, (path) => this.moveIfAbsent(temporary, path));
    });
  }

  /** Stores an object, whether there was one or not. */
  async replace(area: StorageArea, key: string, body: Uint8Array, sidecar: Sidecar): Promise<void> {
    await this.withTemporary(async (temporary) => {
      await writeDurably(temporary, body);
      await this.publish(area, key, temporary, sidecar, (path) => rename(temporary, path));
    });
  }

  /**
   * Gives the bytes of an upload, in exactly that generation, a second home in the media area.
   *
   * @returns false when that generation is not there
   */
  async promote(key: string, generation: string, sidecar: Sidecar): Promise<boolean> {
    return this.withTemporary(async (temporary) => {
      const source = this.paths.object('uploads', key);
      if (!(await this.linkOrCopy(source, generation, temporary))) {
        return false;
      }
      await this.publish('media', key, temporary, sidecar, (path) => rename(temporary, path));
      return true;
    });
  }

  /** Removes an object and the folders left empty by that; does nothing when there is none. */
  async remove(area: StorageArea, key: string): Promise<void> {
    const path = this.paths.object(area, key);
    const version = await versionOrNull(path);
    if (version === null) {
      return;
    }
    // The sidecar first: without it the object is gone for every reader, and while the bytes are there, a second
    // try after a crash still knows what the sidecar was called.
    await rm(this.paths.sidecar(area, key, version.generation), { force: true });
    await this.withTemporary(async (temporary) => {
      // Taken aside, then looked at: it may be a newer object than the one above.
      await rename(path, temporary).catch(nullIfMissing);
      const taken = await versionOrNull(temporary);
      if (taken !== null && taken.generation !== version.generation) {
        await rm(this.paths.sidecar(area, key, taken.generation), { force: true });
      }
    });
    await syncDirectory(dirname(path));
    await pruneEmptyDirectories(dirname(path), this.paths.area(area));
  }

  /** Removes what killed processes left half-written. @returns how many files */
  async removeStaleTemporaries(olderThan: Date): Promise<number> {
    return removeStaleFiles(this.paths.temporaries, olderThan);
  }

  /** Removes what lies in the uploads area for too long. @returns how many files, sidecars included */
  async removeStaleUploads(olderThan: Date): Promise<number> {
    return removeStaleFiles(this.paths.area('uploads'), olderThan);
  }

  /** Resolves when nothing is being written any more that was when it was called, and no temporary file of it is left. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.writing);
  }

  /** Makes complete bytes visible under their key: first the sidecar, then the bytes by `place`. */
  private async publish(
    area: StorageArea,
    key: string,
    temporary: string,
    sidecar: Sidecar,
    place: (path: string) => Promise<void>,
  ): Promise<FileVersion> {
    const path = this.paths.object(area, key);
    const version = await versionOf(temporary);
    const replaced = await versionOrNull(path);
    const label = this.paths.sidecar(area, key, version.generation);
    await this.writeSidecar(label, sidecar);
    try {
      await place(path);
    } catch (error) {
      // Unless the same bytes were promoted twice at once and the other one has made it.
      if ((await versionOrNull(path))?.generation !== version.generation) {
        await rm(label, { force: true });
      }
      throw error;
    }
    await syncDirectory(dirname(path));
    if (replaced !== null && replaced.generation !== version.generation) {
      await rm(this.paths.sidecar(area, key, replaced.generation), { force: true });
    }
    return version;
  }

  private async writeSidecar(path: string, sidecar: Sidecar): Promise<void> {
    await this.withTemporary(async (temporary) => {
      await writeDurably(temporary, JSON.stringify(sidecar));
      await inDirectory(dirname(path), () => rename(temporary, path));
    });
  }

  private async moveIfAbsent(from: string, to: string): Promise<void> {
    try {
      if (this.hardLinks && (await tryLink(from, to))) {
        return;
      }
      await claim(to);
    } catch (error) {
      throw isFileSystemError(error, 'EEXIST') ? new ObjectExistsError({ cause: error }) : error;
    }
    try {
      await rename(from, to);
    } catch (error) {
      await rm(to, { force: true });
      throw error;
    }
  }

  /** @returns false when that generation is not what lies at `source` */
  private async linkOrCopy(source: string, generation: string, temporary: string): Promise<boolean> {
    try {
      if (this.hardLinks && (await tryLink(source, temporary))) {
        return (await versionOrNull(temporary))?.generation === generation;
      }
      await copyDurably(source, temporary);
    } catch (error) {
      if (isFileSystemError(error, 'ENOENT')) {
        return false;
      }
      throw error;
    }
    // The bytes of a file never change, only which file lies at a path: if it is the right one now, it was the right
    // one while it was copied.
    return (await versionOrNull(source))?.generation === generation;
  }

  private async withTemporary<T>(action: (temporary: string) => Promise<T>): Promise<T> {
    const work = this.useTemporary(action);
    this.writing.add(work);
    try {
      return await work;
    } finally {
      this.writing.delete(work);
    }
  }

  private async useTemporary<T>(action: (temporary: string) => Promise<T>): Promise<T> {
    const temporary = this.paths.temporary();
    await mkdir(this.paths.temporaries, { recursive: true });
    try {
      return await action(temporary);
    } finally {
      // Also after success: a rename between two links to one file does nothing and leaves both names.
      await rm(temporary, { force: true });
    }
  }
}

async function readSidecar(path: string): Promise<Sidecar | null> {
  const json = await readFile(path, 'utf8').catch(nullIfMissing);
  if (json === null) {
    return null;
  }
  const sidecar: Sidecar = JSON.parse(json);
  return sidecar;
}

/** Takes a free name without a hard link: an empty file, which is no object as it has no sidecar. */
async function claim(path: string): Promise<void> {
  const handle = await open(path, 'wx');
  await handle.close();
}
