import { hash, randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { assertObjectKey } from '../object-key.js';
import type { StorageArea } from '../object-storage.js';

/**
 * The one place where a key becomes a path. Do not go around it: nothing else in this folder may join a key, or
 * anything that came with a request, to a path. What passes `assertObjectKey` cannot leave its area.
 *
 * Below the root lie a folder an area, `uploads/` and `media/`, and `tmp/`, which must be on the same file system; beside
 * them `sealed/`.
 */
export class ObjectPaths {
  readonly temporaries: string;
  readonly seals: string;
  private readonly rootDir: string;

  constructor(rootDir: string) {
    this.rootDir = resolve(rootDir);
    this.temporaries = join(this.rootDir, 'tmp');
    this.seals = join(this.rootDir, 'sealed');
  }

  area(area: StorageArea): string {
    return join(this.rootDir, area);
  }

  /** @throws InvalidObjectKeyError */
  object(area: StorageArea, key: string): string {
    assertObjectKey(key);
    return join(this.area(area), key);
  }

  /**
   * Where the metadata of one generation of an object lies: beside it, under a name that no key can have.
   *
   * @throws InvalidObjectKeyError
   */
  sidecar(area: StorageArea, key: string, generation: string): string {
    return `${this.object(area, key)}.${generation}.json`;
  }

  /**
   * Where it is marked that nothing is to be put to a key any more.
   *
   * @throws InvalidObjectKeyError
   */
  seal(key: string): string {
    assertObjectKey(key);
    return join(this.seals, hash('sha256', key));
  }

  /** A name for a new temporary file. */
  temporary(): string {
    return join(this.temporaries, randomUUID());
  }
}
