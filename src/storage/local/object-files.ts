import { closeSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StorageArea } from '../object-storage.js';
import {
  allSettledOrThrow,
  copyDurably,
  type FileVersion,
  inDirectory,
  isFileSystemError,
  nullIfMissing,
  type OpenedFile,
  openToRead,
  pruneEmptyDirectories,
  removeStaleFiles,
  syncDirectory,
  tryLink,
  versionNowOrNull,
  versionOf,
  versionOrNull,
  withNewFile,
  writeDurably,
} from './durable-files.js';
import { moveIfAbsent, tryLinkIfFree } from './free-places.js';
import { InTurn } from './in-turn.js';
import type { ObjectPaths } from './object-path.js';
import { type Sidecar, Sidecars } from './sidecars.js';
import type { TemporaryFiles } from './temporary-files.js';

/** A verified object as it lies on the disk. */
export interface StoredObject extends FileVersion {
  readonly path: string;
  readonly sidecar: Sidecar;
}

/** How often a reader looks again when an object is replaced under its eyes. */
const FIND_ATTEMPTS = 5;

/**
 * Objects as files. In the media area an object is its bytes plus a sidecar with its metadata, and there only when both
 * are. An upload is its bytes alone: what it is to be has been signed, and what it is will be measured.
 *
 * Bytes go to a temporary file first, and are linked or renamed into place when they are complete. Throws what the file
 * system throws.
 */
export class ObjectFiles {
  private readonly sidecars: Sidecars;
  private readonly replacing = new InTurn();

  constructor(
    private readonly paths: ObjectPaths,
    private readonly temporaries: TemporaryFiles,
    private readonly hardLinks: boolean,
  ) {
    this.sidecars = new Sidecars(paths);
  }

  async findMedia(key: string): Promise<StoredObject | null> {
    return (await this.find(key)) ?? ((await this.adopt(key)) ? this.find(key) : null);
  }

  private async find(key: string): Promise<StoredObject | null> {
    const path = this.paths.object('media', key);
    for (let attempt = 0; attempt < FIND_ATTEMPTS; attempt++) {
      const version = await versionOrNull(path);
      if (version === null) {
        return null;
      }
      const sidecar = await this.sidecars.read(key, version.generation);
      if (sidecar !== null) {
        return { ...version, path, sidecar };
      }
    }
    return null;
  }

  /**
   * Opens an object, or null. In the media area there is none without its sidecar: bytes without one are about to be replaced,
   * or removed.
   */
  async open(area: StorageArea, key: string): Promise<OpenedFile | null> {
    return (
      (await this.openFound(area, key)) ??
      (area === 'media' && (await this.adopt(key)) ? this.openFound(area, key) : null)
    );
  }

  private async openFound(area: StorageArea, key: string): Promise<OpenedFile | null> {
    const path = this.paths.object(area, key);
    for (let attempt = 0; attempt < FIND_ATTEMPTS; attempt++) {
      const file = await openToRead(path).catch(nullIfMissing);
      if (file === null) {
        return null;
      }
      if (area === 'uploads' || (await this.isLabelled(key, file))) {
        return file;
      }
    }
    return null;
  }

  /** Bytes that were put and not looked at yet. */
  async findUpload(key: string): Promise<FileVersion | null> {
    return versionOrNull(this.paths.object('uploads', key));
  }

  /** Stores a new upload. @throws ObjectExistsError when there is one */
  async create(key: string, body: AsyncIterable<Uint8Array>): Promise<FileVersion> {
    const path = this.paths.object('uploads', key);
    return this.temporaries.withOne(async (temporary) => {
      const version = await writeDurably(temporary, body);
      await inDirectory(dirname(path), () => moveIfAbsent(temporary, path, this.hardLinks));
      await syncDirectory(dirname(path));
      return version;
    });
  }

  /**
   * Stores an object, whether there was one or not. A new one is flushed once all of it is in place, so that the file
   * system's journal is written once and not twice: nobody relies on it before this ends. When flushing fails it may be
   * there or not, as with every put that was not answered.
   */
  async replace(key: string, body: Uint8Array, sidecar: Sidecar): Promise<void> {
    await this.temporaries.withOne((temporary) =>
      withNewFile(temporary, body, async ({ version, flush }) => {
        await this.sidecars.write(key, version.generation, sidecar);
        await this.publish(key, version, temporary, flush);
      }),
    );
  }

  /**
   * Gives the bytes of an upload, in exactly that generation, a second home in the media area.
   *
   * @returns false when that generation is not there
   */
  async promote(key: string, generation: string, sidecar: Sidecar): Promise<boolean> {
    const source = this.paths.object('uploads', key);
    return (
      (this.hardLinks && (await this.promoteByLink(source, key, generation, sidecar))) ||
      (await this.findMedia(key))?.sidecar.promotedFrom === generation ||
      this.promoteAside(source, key, generation, sidecar)
    );
  }

  /** Removes an object, in any generation or only in one, and the folders left empty by that; does nothing when there is none. */
  async remove(area: StorageArea, key: string, generation?: string): Promise<void> {
    const path = this.paths.object(area, key);
    const version = await versionOrNull(path);
    if (version === null) {
      // A process that was killed between a label and its bytes left the label; nobody but us will ever come by.
      await (area === 'media' && this.sidecars.removeStrays(key, null));
    } else if (version.generation === (generation ?? version.generation)) {
      await this.removeVersion(area, key, version, generation === undefined);
    }
    await pruneEmptyDirectories(dirname(path), this.paths.area(area));
  }

  /** @param orNewer whether what has taken its place meanwhile goes, too */
  private async removeVersion(
    area: StorageArea,
    key: string,
    version: FileVersion,
    orNewer: boolean,
  ): Promise<void> {
    const path = this.paths.object(area, key);
    // The sidecar first: without it the object is gone for every reader, and while the bytes are there, a second
    // try after a crash still knows what the sidecar was called.
    if (!(await this.sidecars.remove(key, version.generation, area)) && area === 'media') {
      await this.sidecars.removeStrays(key, null);
    }
    await this.temporaries.withOne(async (temporary) => {
      // Taken aside, then looked at: it may be a newer object than the one above.
      await takeAside(path, temporary);
      const taken = await versionOrNull(temporary);
      if (taken !== null && taken.generation !== version.generation) {
        await (orNewer
          ? this.sidecars.remove(key, taken.generation, area)
          : moveIfAbsent(temporary, path, this.hardLinks));
      }
    });
    await syncDirectory(dirname(path));
  }

  /** Removes what lies in the uploads area for too long. @returns how many files, sidecars included */
  async removeStaleUploads(olderThan: Date): Promise<number> {
    return removeStaleFiles(this.paths.area('uploads'), olderThan);
  }

  /** Straight into its place, which is nearly always free. False where that cannot be. */
  private async promoteByLink(
    source: string,
    key: string,
    generation: string,
    sidecar: Sidecar,
  ): Promise<boolean> {
    // Whoever names its generation has just looked at it.
    if (versionNowOrNull(source)?.generation !== generation) {
      return false;
    }
    const path = this.paths.object('media', key);
    await this.sidecars.write(key, generation, sidecar);
    // When this throws, the label stays: somebody else may be about to promote the same, and rely on it.
    const linked = await tryLinkIfFree(source, path).catch(nullIfMissing);
    // Looked at again: the upload may have made way for another one, or have been promoted by somebody else just now.
    if (versionNowOrNull(path)?.generation === generation) {
      await syncDirectory(dirname(path));
      return true;
    }
    // Where the place is taken, the label stays for the way aside: somebody else may have gone it already.
    if (linked !== false) {
      await this.sidecars.remove(key, generation);
    }
    return false;
  }

  private async promoteAside(
    source: string,
    key: string,
    generation: string,
    sidecar: Sidecar,
  ): Promise<boolean> {
    return this.temporaries.withOne(async (temporary) => {
      const version = await this.linkOrCopy(source, generation, temporary);
      if (version === null) {
        return false;
      }
      await this.sidecars.write(key, version.generation, sidecar);
      await this.publish(key, version, temporary);
      return true;
    });
  }

  /**
   * Makes complete bytes visible under their key. Their sidecar is there already.
   *
   * @param flush for bytes that are not on the disk yet
   */
  private async publish(
    key: string,
    version: FileVersion,
    temporary: string,
    flush: () => Promise<void> = async () => {},
  ): Promise<void> {
    const path = this.paths.object('media', key);
    try {
      // Nearly always the place is free; then a link takes it, and there is nothing to look for.
      if (this.hardLinks && (await tryLinkIfFree(temporary, path))) {
        await allSettledOrThrow(flush(), syncDirectory(dirname(path)));
      } else {
        // What is there may be relied upon: it gives way to nothing that a power cut could take.
        await flush();
        await this.replacing.run(key, () => this.takeOver(key, version, temporary));
      }
    } catch (error) {
      // Unless the bytes are in their place: only flushing failed, or they were promoted twice at once and the other one has made it.
      if ((await versionOrNull(path))?.generation !== version.generation) {
        await this.sidecars.remove(key, version.generation);
      }
      throw error;
    }
  }

  /**
   * Puts bytes, which are on the disk, in place of those that are there. One after the other: two at once would both find the
   * same to clean up after, and the one that was there between them would leave its sidecar for good.
   */
  private async takeOver(key: string, version: FileVersion, temporary: string): Promise<void> {
    const path = this.paths.object('media', key);
    const replaced = await versionOrNull(path);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    if (replaced !== null && replaced.generation !== version.generation) {
      const removed = await this.sidecars.remove(key, replaced.generation);
      await (removed || this.sidecars.removeStrays(key, version.generation));
    }
  }

  /** For bytes that have kept their place, and are not the file any more that their label was made for. */
  private async adopt(key: string): Promise<boolean> {
    const path = this.paths.object('media', key);
    const version = await versionOrNull(path);
    if (version === null || !(await this.sidecars.adopt(key, version.generation))) {
      return false;
    }
    if ((await versionOrNull(path))?.generation !== version.generation) {
      await this.sidecars.remove(key, version.generation);
      return false;
    }
    return true;
  }

  /** Closes what is not. */
  private async isLabelled(key: string, { fd, generation }: OpenedFile): Promise<boolean> {
    let labelled = false;
    try {
      labelled = (await this.sidecars.read(key, generation)) !== null;
    } finally {
      if (!labelled) {
        closeSync(fd);
      }
    }
    return labelled;
  }

  /** @returns the version of the copy, or null when that generation is not what lies at `source` */
  private async linkOrCopy(source: string, generation: string, to: string): Promise<FileVersion | null> {
    const found = await versionOrNull(source);
    if (found?.generation !== generation) {
      return null;
    }
    try {
      if (this.hardLinks && (await inDirectory(this.paths.temporaries, () => tryLink(source, to)))) {
        const linked = await versionOf(to);
        return linked.generation === generation ? linked : null;
      }
      await inDirectory(this.paths.temporaries, () => copyDurably(source, to));
    } catch (error) {
      if (isFileSystemError(error, 'ENOENT')) {
        return null;
      }
      throw error;
    }
    // The bytes of a file never change, only which file lies at a path: if it is the right one now, it was the right
    // one while it was copied.
    return (await versionOrNull(source))?.generation === generation ? versionOf(to) : null;
  }
}

/** Does nothing when there is nothing. The folder for temporary files may be what is missing: a backup can leave out what is empty. */
async function takeAside(path: string, temporary: string): Promise<void> {
  const moved = await rename(path, temporary).then(() => true, nullIfMissing);
  if (moved === null && (await versionOrNull(path)) !== null) {
    await inDirectory(dirname(temporary), () => rename(path, temporary)).catch(nullIfMissing);
  }
}
