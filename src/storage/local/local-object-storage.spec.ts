import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/api-client.js';
import { filesBelow } from '../../../test/support/files-below.js';
import { newKey, storageIn } from '../../../test/support/local-objects.js';
import { derivativeKey } from '../object-key.js';
import { ObjectNotFoundError, StorageUnavailableError } from '../storage.errors.js';
import { versionOf } from './durable-files.js';
import { LocalObjectStorage } from './local-object-storage.js';
import { LengthMismatchError, ObjectExistsError, UploadInterruptedError } from './local-upload.errors.js';
import { ObjectPaths } from './object-path.js';

const JPEG = { contentType: 'image/jpeg', originalFileName: 'holiday.jpg' };
const IN_AN_HOUR = new Date(Date.now() + 3_600_000);
const AN_HOUR_AGO = new Date(Date.now() - 3_600_000);

describe(LocalObjectStorage.name, () => {
  let rootDir: string;
  let sut: LocalObjectStorage;

  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'mediadock-objects-'));
    sut = storageIn(rootDir);
  });

  afterEach(async () => {
    await rm(rootDir, { recursive: true, force: true });
  });

  /** What a signed PUT comes down to once its signature is checked. */
  async function receive(key: string, bytes: Buffer, contentLength = bytes.length): Promise<string> {
    const terms = { contentLength };
    return (await sut.receiveUpload(key, Readable.from([bytes]), terms)).generation;
  }

  describe('receiveUpload', () => {
    it('leaves nothing of a body that breaks off', async () => {
      const body = Readable.from(
        (async function* () {
          yield Buffer.alloc(500);
          throw new Error('The other side is gone');
        })(),
      );

      const upload = sut.receiveUpload(newKey(), body, { contentLength: 1000 });

      await expect(upload).rejects.toThrow(UploadInterruptedError);
      expect(await filesBelow(rootDir)).toEqual([]);
    });

    it('has removed what broke off before the process may end', async () => {
      const cut = Promise.withResolvers<void>();
      const body = Readable.from(
        (async function* () {
          yield Buffer.alloc(500);
          await cut.promise;
          throw new Error('The connection was cut');
        })(),
      );
      const upload = sut.receiveUpload(newKey(), body, { contentLength: 1000 });
      const outcome = upload.catch((error: unknown) => error);
      await until(async () => ((await filesBelow(rootDir)).length > 0 ? true : null), 'the upload to begin');

      cut.resolve();
      await sut.onApplicationShutdown();

      expect(await filesBelow(rootDir)).toEqual([]);
      expect(await outcome).toBeInstanceOf(UploadInterruptedError);
    });

    it('stops reading a body at the first byte too many', async () => {
      let produced = 0;
      const endless = Readable.from(
        (function* () {
          for (;;) {
            produced += 1;
            yield Buffer.alloc(100);
          }
        })(),
        { highWaterMark: 1 },
      );

      const upload = sut.receiveUpload(newKey(), endless, { contentLength: 1000 });

      await expect(upload).rejects.toThrow(LengthMismatchError);
      expect(produced).toBeLessThan(20);
      expect(await filesBelow(rootDir)).toEqual([]);
    });

    it('leaves nothing of a body that is too short', async () => {
      await expect(receive(newKey(), Buffer.alloc(999), 1000)).rejects.toThrow(LengthMismatchError);
      expect(await filesBelow(rootDir)).toEqual([]);
    });

    it('does not read the body when there is an object already', async () => {
      const key = newKey();
      await receive(key, Buffer.from('abc'));
      const body = Readable.from([Buffer.from('xyz')]);

      const upload = sut.receiveUpload(key, body, { contentLength: 3 });

      await expect(upload).rejects.toThrow(ObjectExistsError);
      expect(body.readableDidRead).toBe(false);
    });

    it.each([true, false])(
      'leaves one object and no traces of those that lost (hard links: %s)',
      async (hardLinks) => {
        sut = storageIn(rootDir, hardLinks);
        const key = newKey();

        const outcomes = await Promise.allSettled(
          Array.from({ length: 20 }, () => receive(key, randomBytes(2000))),
        );

        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        expect(await filesBelow(rootDir)).toHaveLength(1);
        expect(await sut.stat('uploads', key)).toMatchObject({ size: 2000 });
      },
    );
  });

  describe('promote', () => {
    it('copies no bytes where the file system has hard links', async () => {
      const key = newKey();
      await sut.promote(key, await receive(key, Buffer.from('abc')), JPEG);

      const [upload, media] = await Promise.all([
        stat(join(rootDir, 'uploads', key)),
        stat(join(rootDir, 'media', key)),
      ]);
      expect(media.ino).toBe(upload.ino);
    });

    it('does nothing the second time even when the upload is gone by then', async () => {
      const key = newKey();
      const generation = await receive(key, Buffer.from('abc'));
      await sut.promote(key, generation, JPEG);
      await sut.delete('uploads', key);

      await expect(sut.promote(key, generation, JPEG)).resolves.toBeUndefined();
    });

    it('replaces what an earlier generation left in the media area', async () => {
      const key = newKey();
      await sut.promote(key, await receive(key, Buffer.from('old')), JPEG);
      await sut.delete('uploads', key);
      await sut.promote(key, await receive(key, Buffer.from('new')), JPEG);

      expect(await sut.readHead('media', key, 10)).toMatchObject({ bytes: Buffer.from('new') });
      expect(await filesBelow(join(rootDir, 'media'))).toHaveLength(2);
    });

    it.each([true, false])('leaves nothing behind when it refuses (hard links: %s)', async (hardLinks) => {
      sut = storageIn(rootDir, hardLinks);
      const key = newKey();
      await receive(key, Buffer.from('abc'));

      await expect(sut.promote(key, 'another generation', JPEG)).rejects.toThrow(ObjectNotFoundError);
      expect(await filesBelow(join(rootDir, 'media'))).toEqual([]);
      expect(await filesBelow(join(rootDir, 'tmp'))).toEqual([]);
    });
  });

  describe('delete', () => {
    it('removes metadata and empty folders too', async () => {
      const key = newKey();
      await sut.put(key, Buffer.from('abc'), JPEG);

      await sut.delete('media', key);

      expect(await readdir(join(rootDir, 'media'))).toEqual([]);
    });

    it('keeps what lies beside the object', async () => {
      const key = newKey();
      const neighbour = derivativeKey(key, 'thumbnail');
      await sut.put(key, Buffer.from('abc'), JPEG);
      await sut.put(neighbour, Buffer.from('def'), JPEG);

      await sut.delete('media', key);

      expect(await sut.readHead('media', neighbour, 10)).toMatchObject({ bytes: Buffer.from('def') });
    });

    it('finishes a deletion that was killed half-way', async () => {
      const key = newKey();
      await sut.put(key, Buffer.from('abc'), JPEG);
      await rm(
        new ObjectPaths(rootDir).sidecar(
          'media',
          key,
          (await versionOf(join(rootDir, 'media', key))).generation,
        ),
      );

      expect(await sut.stat('media', key)).toBeNull();
      await sut.delete('media', key);

      expect(await filesBelow(rootDir)).toEqual([]);
    });

    it('never pulls the folder from under a concurrent write', async () => {
      const writers = Array.from({ length: 8 }, async () => {
        for (let round = 0; round < 15; round++) {
          const key = newKey();
          await sut.put(key, Buffer.from('abc'), JPEG);
          expect(await sut.stat('media', key)).toMatchObject({ size: 3 });
          await sut.delete('media', key);
        }
      });

      await Promise.all(writers);

      expect(await filesBelow(rootDir)).toEqual([]);
    });
  });

  describe('seal', () => {
    it('is neither a file nor a name that anybody could find again', async () => {
      const key = newKey();
      await receive(key, Buffer.from('abc'));
      await sut.seal(key);

      const names = (await readdir(rootDir, { recursive: true })).join();
      expect(await filesBelow(rootDir)).toEqual([]);
      expect(names).not.toContain(basename(key, '.jpg'));
      expect(names).not.toContain(key.split('/')[1]);
    });

    it('keeps out also what was on its way already', async () => {
      const key = newKey();
      const sealed = Promise.withResolvers<void>();
      const body = (async function* () {
        yield Buffer.from('ab');
        await sealed.promise;
        yield Buffer.from('c');
      })();
      const upload = sut.receiveUpload(key, body, { contentLength: 3 });
      const outcome = upload.catch((error: unknown) => error);
      await until(async () => ((await filesBelow(rootDir)).length > 0 ? true : null), 'the upload to begin');
      await sut.seal(key);
      sealed.resolve();

      expect(await outcome).toBeInstanceOf(ObjectExistsError);
      expect(await filesBelow(rootDir)).toEqual([]);
    });

    it('is lifted a day later in any case', async () => {
      const [first, second] = [newKey(), newKey()];
      await sut.seal(first);
      await sut.seal(second);
      await sut.removeAbandoned(AN_HOUR_AGO);
      await expect(receive(first, Buffer.from('abc'))).rejects.toThrow(ObjectExistsError);

      await sut.removeAbandoned(IN_AN_HOUR);
      expect(await readdir(join(rootDir, 'sealed'))).toEqual([]);
    });
  });

  describe('put', () => {
    it('keeps no metadata of the bytes that it replaced', async () => {
      const key = newKey();
      await sut.put(key, Buffer.from('first'), JPEG);
      await sut.put(key, Buffer.from('second'), JPEG);

      expect(await filesBelow(rootDir)).toHaveLength(2);
    });

    it('keeps no metadata of any of those that were there for a moment, when many replace each other at once', async () => {
      const key = newKey();
      const puts = Array.from({ length: 12 }, (_, index) => sut.put(key, Buffer.alloc(index + 1), JPEG));

      await Promise.all(puts);

      expect(await filesBelow(rootDir)).toHaveLength(2);
      expect(await sut.stat('media', key)).not.toBeNull();
      await sut.delete('media', key);
      expect(await filesBelow(rootDir)).toEqual([]);
    });
  });

  describe('readUrl', () => {
    it('answers the same private URL for a while, so that a browser finds it in its cache', async () => {
      const key = newKey();
      const urls = new Set(await Promise.all([sut.readUrl(key), sut.readUrl(key), sut.readUrl(key)]));

      // Two, should a step end between the calls.
      expect(urls.size).toBeLessThanOrEqual(2);
    });
  });

  describe('removeAbandoned, of temporary files', () => {
    it('removes what a killed process left, and not what is being written', async () => {
      await sut.check();
      await writeFile(join(rootDir, 'tmp', randomUUID()), 'half an upl');

      expect(await sut.removeAbandoned(AN_HOUR_AGO)).toBe(0);
      expect(await sut.removeAbandoned(IN_AN_HOUR)).toBe(1);
      expect(await filesBelow(rootDir)).toEqual([]);
    });

    it('goes by when a file was last touched, not by how old its bytes are', async () => {
      await sut.check();
      const path = join(rootDir, 'tmp', randomUUID());
      await writeFile(path, 'linked a moment ago');
      await utimes(path, new Date(0), new Date(0));

      expect(await sut.removeAbandoned(AN_HOUR_AGO)).toBe(0);
    });

    it('has nothing to do before the first write', async () => {
      expect(await sut.removeAbandoned(IN_AN_HOUR)).toBe(0);
    });
  });

  describe('removeAbandoned, of uploads', () => {
    it('empties the uploads area of what is old, and nothing else', async () => {
      const key = newKey();
      await sut.promote(key, await receive(key, Buffer.from('abc')), JPEG);

      expect(await sut.removeAbandoned(AN_HOUR_AGO)).toBe(0);
      expect(await sut.removeAbandoned(IN_AN_HOUR)).toBe(1);
      expect(await readdir(join(rootDir, 'uploads'))).toEqual([]);
      expect(await sut.stat('media', key)).not.toBeNull();
    });
  });

  describe('when the disk does not play along', () => {
    it('says so for every verb, with the cause', async () => {
      // A file where a folder should be fails every access below it, for root too.
      await writeFile(join(rootDir, 'media'), '');
      await writeFile(join(rootDir, 'uploads'), '');
      const key = newKey();
      const attempts: (() => Promise<unknown>)[] = [
        () => sut.stat('media', key),
        () => sut.readHead('media', key, 10),
        () => sut.openRead('media', key),
        () => sut.put(key, Buffer.from('abc'), JPEG),
        () => sut.delete('media', key),
        () => sut.promote(key, 'any', JPEG),
        () => receive(key, Buffer.from('abc')),
        () => sut.check(),
      ];
      for (const attempt of attempts) {
        const error = await attempt().catch((failure: unknown) => failure);
        expect(error).toBeInstanceOf(StorageUnavailableError);
        expect(error).toHaveProperty('cause.syscall');
      }
      expect(await filesBelow(join(rootDir, 'tmp'))).toEqual([]);
    });

    it('says so on the stream when reading fails after it was opened', async () => {
      const key = newKey();
      const paths = new ObjectPaths(rootDir);
      const path = paths.object('media', key);
      // A folder can be opened like a file, but not read.
      await mkdir(path, { recursive: true });
      await mkdir(dirname(path), { recursive: true });
      await writeFile(paths.sidecar('media', key, (await versionOf(path)).generation), JSON.stringify(JPEG));

      const stream = await sut.openRead('media', key);

      await expect(buffer(stream)).rejects.toThrow(StorageUnavailableError);
    });
  });
});
