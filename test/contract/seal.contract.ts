import { describe, expect, it } from 'vitest';
import { ObjectNotFoundError } from '../../src/storage/storage.errors.js';
import { newKey, type ObjectStorageHarness } from './object-storage.harness.js';

/** The part of the contract of `ObjectStorage` that is about `seal`: what is left of an upload that shall not come again. */
export function describeSeals(harness: ObjectStorageHarness): void {
  describe('seal', () => {
    it('removes an upload, and lets its URL store no other', async () => {
      const key = newKey();
      await harness.upload(key, Buffer.from('abc'));
      await harness.storage.seal(key);

      expect((await harness.upload(key, Buffer.from('abc'))).status).toBe(412);
      expect(await harness.storage.stat('uploads', key)).toBeNull();
      await expect(harness.storage.readHead('uploads', key, 16)).rejects.toThrow(ObjectNotFoundError);
    });

    it('keeps a place to which nothing was put yet', async () => {
      const key = newKey();
      await harness.storage.seal(key);
      await harness.storage.seal(key);

      expect((await harness.upload(key, Buffer.from('abc'))).status).toBe(412);
      expect(await harness.storage.stat('uploads', key)).toBeNull();
    });

    it('leaves alone what was made of the upload', async () => {
      const key = newKey();
      await harness.upload(key, Buffer.from('abc'));
      await harness.storage.promote(key, await harness.generationOf('uploads', key), {
        contentType: 'image/jpeg',
        originalFileName: 'a.jpg',
      });
      await harness.storage.seal(key);

      expect(await harness.bytesOf('media', key)).toEqual(Buffer.from('abc'));
    });

    it('ends when the upload is deleted, and not when only one generation is', async () => {
      const key = newKey();
      await harness.upload(key, Buffer.from('abc'));
      const generation = await harness.generationOf('uploads', key);
      await harness.storage.seal(key);

      await harness.storage.delete('uploads', key, generation);
      expect((await harness.upload(key, Buffer.from('abc'))).status).toBe(412);
      await harness.storage.delete('uploads', key);
      expect((await harness.upload(key, Buffer.from('abc'))).status).toBe(200);
    });
  });
}
