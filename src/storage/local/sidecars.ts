import { dirname } from 'node:path';
import type { ObjectMetadata, StorageArea } from '../object-storage.js';
import { inDirectory, removeFile } from './durable-files.js';
import { readLabel, writeLabel } from './labels.js';
import type { ObjectPaths } from './object-path.js';

/** What is kept beside an object. */
export interface Sidecar extends ObjectMetadata {
  /** Generation of the upload that this object was promoted from. */
  readonly promotedFrom?: string;
}

/**
 * Each is named after the generation of the bytes it belongs to, so that the loser of a race cannot relabel the winner's
 * bytes, and replaced bytes never show under the new label.
 */
export class Sidecars {
  constructor(private readonly paths: ObjectPaths) {}

  async read(key: string, generation: string): Promise<Sidecar | null> {
    const json = await readLabel(this.paths.sidecar('media', key, generation));
    if (json === null) {
      return null;
    }
    const sidecar: Sidecar = JSON.parse(json);
    return sidecar;
  }

  /** Whoever flushes the folder makes it last. Does nothing when it is there. */
  async write(key: string, generation: string, sidecar: Sidecar): Promise<void> {
    const path = this.paths.sidecar('media', key, generation);
    await inDirectory(dirname(path), () => writeLabel(path, JSON.stringify(sidecar), this.paths.temporary()));
  }

  /** Uploads have had some, too, in what an earlier version has written. */
  async remove(key: string, generation: string, area: StorageArea = 'media'): Promise<void> {
    await removeFile(this.paths.sidecar(area, key, generation));
  }
}
