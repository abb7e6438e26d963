import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ObjectMetadata, StorageArea } from '../object-storage.js';
import { inDirectory, nullIfMissing, removeFile } from './durable-files.js';
import { readLabel, writeLabel } from './labels.js';
import type { ObjectPaths } from './object-path.js';

/** What follows the name of an object in that of its sidecar. */
const GENERATION = /^\.[0-9a-f]{32}\.json$/;
/** No put takes as long as this between its label and its bytes. */
const SETTLED_MS = 60_000;

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
    await this.writeJson(key, generation, JSON.stringify(sidecar));
  }

  /**
   * Uploads have had some, too, in what an earlier version has written.
   *
   * @returns false when there was none
   */
  async remove(key: string, generation: string, area: StorageArea = 'media'): Promise<boolean> {
    return removeFile(this.paths.sidecar(area, key, generation));
  }

  /**
   * Gives bytes the label that lies beside them under the name of another generation. A backup that was restored has made
   * copies: other files, with generations of their own.
   *
   * @returns false when there is none that is certainly theirs
   */
  async adopt(key: string, generation: string): Promise<boolean> {
    const labels = await Promise.all((await this.strays(key)).map((path) => readLabel(path)));
    // Several there are when a process was killed while it put the same object again: they then say the same.
    const [json, ...others] = labels.filter((label) => label !== null);
    if (
      json === undefined ||
      others.some((other) => !isDeepStrictEqual(metadataOf(other), metadataOf(json)))
    ) {
      return false;
    }
    await this.writeJson(key, generation, json);
    await this.removeStrays(key, generation);
    return true;
  }

  /** Removes what nobody is going to look for by its name. @param but the generation that is there now, if any */
  async removeStrays(key: string, but: string | null): Promise<void> {
    const kept = but === null ? null : this.paths.sidecar('media', key, but);
    const strays = (await this.strays(key)).filter((path) => path !== kept);
    await Promise.all(strays.map((path) => removeFile(path)));
  }

  private async writeJson(key: string, generation: string, json: string): Promise<void> {
    const path = this.paths.sidecar('media', key, generation);
    await inDirectory(dirname(path), () => writeLabel(path, json, this.paths.temporary()));
  }

  /** Labels beside an object, whatever their generation, that are too old to belong to bytes that are just being put there. */
  private async strays(key: string): Promise<string[]> {
    const path = this.paths.object('media', key);
    const ofThisKey = (name: string): boolean =>
      name.startsWith(`${basename(path)}.`) && GENERATION.test(name.slice(basename(path).length));
    const names = (await readdir(dirname(path)).catch(nullIfMissing)) ?? [];
    const paths = names.filter(ofThisKey).map((name) => join(dirname(path), name));
    const found = await Promise.all(paths.map((label) => lstat(label).catch(nullIfMissing)));
    return paths.filter((_label, index) => Date.now() - (found[index]?.ctimeMs ?? Infinity) > SETTLED_MS);
  }
}

function metadataOf(label: string): ObjectMetadata {
  const { contentType, originalFileName }: Sidecar = JSON.parse(label);
  return { contentType, originalFileName };
}
