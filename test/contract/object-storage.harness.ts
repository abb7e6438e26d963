import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { originalKey } from '../../src/storage/object-key.js';
import type { ObjectStorage, SignedUpload, StorageArea } from '../../src/storage/object-storage.js';

/** What the tests of the contract do again and again, with whichever adapter is under test. */
export class ObjectStorageHarness {
  private current: ObjectStorage | undefined;

  get storage(): ObjectStorage {
    if (this.current === undefined) {
      throw new Error('There is no adapter under test yet');
    }
    return this.current;
  }

  use(storage: ObjectStorage): void {
    this.current = storage;
  }

  async sign(key: string, contentLength: number, expiresAt = inMinutes(15)): Promise<SignedUpload> {
    return this.storage.signUpload({ key, contentType: 'image/jpeg', contentLength, expiresAt });
  }

  /** Signs a PUT for `signed` and sends `sent`: the same bytes, unless a test wants them to differ. */
  async upload(key: string, signed: Buffer, sent = signed): Promise<Response> {
    const { url, headers } = await this.sign(key, signed.length);
    return fetch(url, { method: 'PUT', headers, body: new Uint8Array(sent) });
  }

  async bytesOf(area: StorageArea, key: string): Promise<Buffer> {
    return buffer(await this.storage.openRead(area, key));
  }

  async generationOf(area: StorageArea, key: string): Promise<string> {
    const stat = await this.storage.stat(area, key);
    if (stat === null) {
      throw new Error('There is no object to take the generation of');
    }
    return stat.generation;
  }
}

/** A key that no other test uses. */
export function newKey(): string {
  return originalKey({
    userId: randomUUID(),
    mediaType: 'image',
    createdAt: new Date(),
    mediaFileId: randomUUID(),
    extension: 'jpg',
  });
}

export function inMinutes(minutes: number): Date {
  return new Date(Date.now() + minutes * 60_000);
}
