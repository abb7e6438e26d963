import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivativeKey } from '../../src/storage/object-key.js';
import type { ObjectMetadata, ObjectStorage } from '../../src/storage/object-storage.js';
import { InvalidObjectKeyError, ObjectNotFoundError } from '../../src/storage/storage.errors.js';
import { newKey, ObjectStorageHarness } from './object-storage.harness.js';
import { describeSeals } from './seal.contract.js';
import { describeSignedUploads } from './signed-upload.contract.js';

/** An adapter to be tested, with whatever server must run for its signed URLs to lead somewhere. */
export interface ObjectStorageSubject {
  readonly storage: ObjectStorage;
  close(): Promise<void>;
}

const JPEG: ObjectMetadata = { contentType: 'image/jpeg', originalFileName: 'holiday.jpg' };

/** None of these is a key that Mediadock makes. */
const FOREIGN_KEYS = [
  '',
  '/',
  '../../../etc/passwd',
  'users/../../secrets.json',
  `${newKey()}/../x.jpg`,
  `${newKey()}\0.jpg`,
  `${newKey()}\n`,
  newKey().replace('/', '%2f'),
  newKey().replace('users', 'usérs'),
  newKey().toUpperCase(),
  `users/${'a'.repeat(10_240)}.jpg`,
];

/**
 * What every adapter of {@link ObjectStorage} must do, over real HTTP where a client would use HTTP. The adapter
 * starts empty and is shared by all tests; each test works on keys of its own.
 */
export function describeObjectStorage(name: string, makeSubject: () => Promise<ObjectStorageSubject>): void {
  describe(`${name} as an object store`, () => {
    const harness = new ObjectStorageHarness();
    let subject: ObjectStorageSubject;
    let storage: ObjectStorage;

    beforeAll(async () => {
      subject = await makeSubject();
      storage = subject.storage;
      harness.use(storage);
    });

    afterAll(async () => {
      await subject.close();
    });

    describe('bucketOf', () => {
      it('names the two areas differently', () => {
        expect(storage.bucketOf('uploads')).not.toBe(storage.bucketOf('media'));
      });
    });

    describeSignedUploads(harness);

    describe('stat', () => {
      it('answers null when there is no such object', async () => {
        expect(await storage.stat('uploads', newKey())).toBeNull();
        expect(await storage.stat('media', newKey())).toBeNull();
      });

      it('answers the same generation until the bytes are others', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('abc'));
        const before = await harness.generationOf('uploads', key);
        const unchanged = await harness.generationOf('uploads', key);

        await storage.delete('uploads', key);
        await harness.upload(key, Buffer.from('abc'));

        expect(unchanged).toBe(before);
        expect(await harness.generationOf('uploads', key)).not.toBe(before);
      });
    });

    describe('readHead', () => {
      it('reads the first bytes only', async () => {
        const key = newKey();
        const bytes = randomBytes(10_000);
        await harness.upload(key, bytes);

        const head = await storage.readHead('uploads', key, 4100);

        expect(head.bytes).toEqual(bytes.subarray(0, 4100));
      });

      it('tells what the bytes are the beginning of, without a second look', async () => {
        const key = newKey();
        await harness.upload(key, randomBytes(10_000));

        const { size, generation } = await storage.readHead('uploads', key, 16);

        expect({ size, generation }).toEqual(await storage.stat('uploads', key));
        expect(size).toBe(10_000);
      });

      it('reads a shorter object whole', async () => {
        const key = newKey();
        await storage.put(key, Buffer.from('abc'), JPEG);

        expect(await storage.readHead('media', key, 4100)).toMatchObject({
          size: 3,
          bytes: Buffer.from('abc'),
        });
      });

      it('reads nothing of an empty object', async () => {
        const key = newKey();
        await storage.put(key, Buffer.alloc(0), JPEG);

        expect(await storage.readHead('media', key, 4100)).toEqual({
          ...(await storage.stat('media', key)),
          bytes: Buffer.alloc(0),
        });
      });

      it('throws when there is no such object', async () => {
        await expect(storage.readHead('uploads', newKey(), 16)).rejects.toThrow(ObjectNotFoundError);
      });
    });

    describe('openRead', () => {
      it('streams the whole object', async () => {
        const key = newKey();
        const bytes = randomBytes(3 * 1024 * 1024 + 1);
        await storage.put(key, bytes, JPEG);

        expect((await harness.bytesOf('media', key)).equals(bytes)).toBe(true);
      });

      it('can be given up half-way', async () => {
        const key = newKey();
        await storage.put(key, randomBytes(1024 * 1024), JPEG);

        const stream = await storage.openRead('media', key);
        for await (const chunk of stream) {
          expect(chunk).toBeInstanceOf(Buffer);
          break;
        }

        expect(stream.destroyed).toBe(true);
        expect(await storage.stat('media', key)).not.toBeNull();
      });

      it('throws when there is no such object', async () => {
        await expect(storage.openRead('media', newKey())).rejects.toThrow(ObjectNotFoundError);
      });
    });

    describe('promote', () => {
      it('copies an upload to the media area and leaves it in place', async () => {
        const key = newKey();
        const bytes = randomBytes(5000);
        await harness.upload(key, bytes);

        await storage.promote(key, await harness.generationOf('uploads', key), JPEG);

        expect(await harness.bytesOf('media', key)).toEqual(bytes);
        expect(await storage.stat('media', key)).toMatchObject({ size: 5000 });
        expect(await harness.bytesOf('uploads', key)).toEqual(bytes);
      });

      it('does nothing the second time', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('abc'));
        const generation = await harness.generationOf('uploads', key);
        await storage.promote(key, generation, JPEG);
        const promoted = await storage.stat('media', key);

        await storage.promote(key, generation, JPEG);

        expect(await storage.stat('media', key)).toEqual(promoted);
      });

      it('succeeds for each of many at once', async () => {
        const key = newKey();
        const bytes = randomBytes(5000);
        await harness.upload(key, bytes);
        const generation = await harness.generationOf('uploads', key);

        await Promise.all(Array.from({ length: 10 }, () => storage.promote(key, generation, JPEG)));

        expect(await harness.bytesOf('media', key)).toEqual(bytes);
      });

      it('keeps the promoted object when the upload is deleted', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('abc'));
        await storage.promote(key, await harness.generationOf('uploads', key), JPEG);

        await storage.delete('uploads', key);

        expect(await harness.bytesOf('media', key)).toEqual(Buffer.from('abc'));
      });

      it('throws when nothing was uploaded', async () => {
        await expect(storage.promote(newKey(), '1', JPEG)).rejects.toThrow(ObjectNotFoundError);
      });

      it('throws when the upload was replaced, and takes the new generation', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('old'));
        const old = await harness.generationOf('uploads', key);
        await storage.delete('uploads', key);
        await harness.upload(key, Buffer.from('new'));

        await expect(storage.promote(key, old, JPEG)).rejects.toThrow(ObjectNotFoundError);
        expect(await storage.stat('media', key)).toBeNull();

        await storage.promote(key, await harness.generationOf('uploads', key), JPEG);
        expect(await harness.bytesOf('media', key)).toEqual(Buffer.from('new'));
      });
    });

    describe('put', () => {
      it('writes into the media area, and only there', async () => {
        const key = derivativeKey(newKey(), 'thumbnail');

        await storage.put(key, Buffer.from('webp'), {
          contentType: 'image/webp',
          originalFileName: 'holiday.jpg',
        });

        expect(await harness.bytesOf('media', key)).toEqual(Buffer.from('webp'));
        expect(await storage.stat('media', key)).toMatchObject({ size: 4 });
        expect(await storage.stat('uploads', key)).toBeNull();
      });

      it('replaces bytes and metadata', async () => {
        const key = derivativeKey(newKey(), 'medium');
        await storage.put(key, Buffer.from('first'), JPEG);
        const first = await harness.generationOf('media', key);

        await storage.put(key, Buffer.from('second!'), {
          contentType: 'image/webp',
          originalFileName: 'b.webp',
        });

        expect(await harness.bytesOf('media', key)).toEqual(Buffer.from('second!'));
        expect(await storage.stat('media', key)).toMatchObject({ size: 7 });
        expect(await harness.generationOf('media', key)).not.toBe(first);
      });

      it('is never seen half-written', async () => {
        const key = derivativeKey(newKey(), 'medium');
        const versions = Array.from({ length: 10 }, (_, index) => Buffer.alloc(100_000, index));
        await storage.put(key, Buffer.alloc(100_000, 0), JPEG);

        const writing = Promise.all(versions.map((version) => storage.put(key, version, JPEG)));
        const seen = await Promise.all(Array.from({ length: 20 }, () => harness.bytesOf('media', key)));
        await writing;

        for (const bytes of [...seen, await harness.bytesOf('media', key)]) {
          expect(versions.some((version) => version.equals(bytes))).toBe(true);
        }
        expect(await storage.stat('media', key)).toMatchObject({ size: 100_000 });
      });
    });

    describe('delete', () => {
      it('removes an object from its area only', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('abc'));
        await storage.promote(key, await harness.generationOf('uploads', key), JPEG);

        await storage.delete('media', key);

        expect(await storage.stat('media', key)).toBeNull();
        expect(await storage.stat('uploads', key)).not.toBeNull();
      });

      it('does nothing the second time, or when there never was such an object', async () => {
        const key = newKey();
        await storage.put(key, Buffer.from('abc'), JPEG);
        await storage.delete('media', key);

        await expect(storage.delete('media', key)).resolves.toBeUndefined();
        await expect(storage.delete('uploads', newKey())).resolves.toBeUndefined();
      });

      it('removes the generation that it is told, and none that has replaced it', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('wrong'));
        const wrong = await harness.generationOf('uploads', key);
        await storage.delete('uploads', key, wrong);
        expect(await storage.stat('uploads', key)).toBeNull();

        await harness.upload(key, Buffer.from('right!'));
        await storage.delete('uploads', key, wrong);
        expect(await storage.stat('uploads', key)).toMatchObject({ size: 6 });
      });

      it('succeeds for each of many at once', async () => {
        const key = newKey();
        await storage.put(key, Buffer.from('abc'), JPEG);

        await Promise.all(Array.from({ length: 10 }, () => storage.delete('media', key)));

        expect(await storage.stat('media', key)).toBeNull();
      });
    });

    describeSeals(harness);

    describe('readUrl', () => {
      it('leads a browser to the bytes, with their type and a safe name', async () => {
        const key = newKey();
        await storage.put(key, Buffer.from('abc'), {
          contentType: 'image/png',
          originalFileName: 'été "1".png',
        });

        const response = await fetch(await storage.readUrl(key));

        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toBe('image/png');
        expect(response.headers.get('content-disposition')).toMatch(
          /^inline;.*filename\*=UTF-8''%C3%A9t%C3%A9/i,
        );
        expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from('abc'));
      });

      it('is made for an object that is not there, and leads nowhere', async () => {
        const response = await fetch(await storage.readUrl(newKey()));

        expect(response.ok).toBe(false);
      });

      it('leads to the media area, never to an upload', async () => {
        const key = newKey();
        await harness.upload(key, Buffer.from('abc'));

        const response = await fetch(await storage.readUrl(key));

        expect(response.ok).toBe(false);
      });
    });

    describe('check', () => {
      it('resolves while both areas answer', async () => {
        await expect(storage.check()).resolves.toBeUndefined();
      });
    });

    describe('a key that Mediadock never makes', () => {
      it.each(FOREIGN_KEYS.map((key) => [JSON.stringify(key.slice(0, 90)), key]))(
        'refuses %s',
        async (_, key) => {
          const attempts: (() => Promise<unknown>)[] = [
            () =>
              storage.signUpload({
                key,
                contentType: 'image/jpeg',
                contentLength: 1,
                expiresAt: new Date(),
              }),
            () => storage.stat('media', key),
            () => storage.readHead('media', key, 1),
            () => storage.openRead('media', key),
            () => storage.promote(key, '1', JPEG),
            () => storage.put(key, Buffer.from('abc'), JPEG),
            () => storage.delete('media', key),
            () => storage.seal(key),
            () => storage.readUrl(key),
          ];
          for (const attempt of attempts) {
            await expect(attempt()).rejects.toThrow(InvalidObjectKeyError);
          }
        },
      );
    });
  });
}
