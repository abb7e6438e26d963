import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GcsObjectStorage } from '../../src/storage/gcs/gcs-object-storage.js';
import { StorageUnavailableError } from '../../src/storage/storage.errors.js';
import { newKey } from '../contract/object-storage.harness.js';
import { bytesOf, GcsStage, isMedia, JPEG, QUICK } from '../support/gcs/gcs-stage.js';

describe(`${GcsObjectStorage.name} while bytes are under way`, () => {
  let stage: GcsStage;

  beforeAll(async () => {
    stage = await GcsStage.start();
  });

  afterEach(() => {
    stage.gcs.faults.clear();
  });

  afterAll(async () => {
    await stage.gcs.close();
  });

  describe('openRead', () => {
    it('fails on the stream when the connection is cut in the middle', async () => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'body-cut' });

      const stream = await stage.storage.openRead('media', key);

      await expect(buffer(stream)).rejects.toThrow(StorageUnavailableError);
    });

    it('fails on the stream when nothing comes any more, and cuts the connection', async () => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'body-stall' });

      const stream = await stage
        .storageWith({ retry: { ...QUICK, stallTimeoutMs: 200 } })
        .openRead('media', key);

      await expect(buffer(stream)).rejects.toThrow(StorageUnavailableError);
      await stage.allEnded();
    });

    it('fails on the stream when the bytes are not those that were stored', async () => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'body-corrupt' });

      await expect(bytesOf(stage.storage, key)).rejects.toThrow(StorageUnavailableError);
    });

    it('takes bytes that come slowly, however long that is in all', async () => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'slow-body', pauseMs: 150 });
      const retry = { ...QUICK, attemptTimeoutMs: 1_000, stallTimeoutMs: 1_000 };

      expect(await bytesOf(stage.storageWith({ retry }), key)).toEqual(stage.stored('media', key).bytes);
    });

    it('is in no hurry for a reader that is slow', async () => {
      const key = await stage.promoted(500_000);
      const stream = await stage
        .storageWith({ retry: { ...QUICK, stallTimeoutMs: 300 } })
        .openRead('media', key);

      await new Promise((resolve) => setTimeout(resolve, 600));

      expect(await buffer(stream)).toEqual(stage.stored('media', key).bytes);
    });

    it('disturbs no other call when it is given up', async () => {
      const key = await stage.promoted(4_000_000);
      const storage = stage.storageWith({ retry: { ...QUICK, attempts: 1 } });
      stage.gcs.faults.next(1, { kind: 'slow-body', pauseMs: 30 }, (target) => !isMedia(target));
      const other = storage.stat('media', key);

      for await (const chunk of await storage.openRead('media', key)) {
        expect(chunk).toBeInstanceOf(Buffer);
        break;
      }

      await expect(other).resolves.toMatchObject({ size: 4_000_000 });
    });

    it('cuts its connection when it is given up', async () => {
      const key = await stage.promoted(4_000_000);
      stage.gcs.faults.next(1, { kind: 'body-stall' });

      const stream = await stage.storage.openRead('media', key);
      stream.destroy();

      await expect(stage.allEnded()).resolves.toBeUndefined();
    });

    it('leaves an upload packed that says it is, so that nobody unpacks it unawares', async () => {
      const key = newKey();
      const packed = gzipSync(randomBytes(2000));
      stage.upload(key, packed, 'gzip');

      expect(await buffer(await stage.storage.openRead('uploads', key))).toEqual(packed);
      expect(await stage.storage.readHead('uploads', key, 100)).toMatchObject({
        size: packed.length,
        bytes: packed.subarray(0, 100),
      });
    });
  });

  describe('readHead', () => {
    it.each(['body-cut', 'body-stall'] as const)('tries again after a %s', async (kind) => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind });
      const storage = stage.storageWith({ retry: { ...QUICK, attemptTimeoutMs: 500 } });

      const { bytes } = await storage.readHead('media', key, 4000);

      expect(bytes).toEqual(stage.stored('media', key).bytes.subarray(0, 4000));
    });

    it('does not guess what the bytes are the beginning of: where the answer does not say it, there is none', async () => {
      const key = await stage.promoted();
      const { generation } = stage.stored('media', key);
      stage.gcs.faults.next(1, { kind: 'headers-stripped' });
      expect(await stage.storage.readHead('media', key, 16)).toMatchObject({ generation });

      stage.gcs.faults.always({ kind: 'headers-stripped' });
      await expect(stage.storage.readHead('media', key, 16)).rejects.toThrow(StorageUnavailableError);
    });
  });

  describe('promote', () => {
    it('finishes a copy that takes the store several calls, with all its metadata', async () => {
      const key = newKey();
      const generation = stage.upload(key, randomBytes(1000));
      stage.gcs.server.json.callsPerRewrite = 3;

      await stage.storage.promote(key, generation, JPEG);

      stage.gcs.server.json.callsPerRewrite = 1;
      expect(stage.stored('media', key).bytes).toEqual(stage.stored('uploads', key).bytes);
      expect(stage.stored('media', key).attributes).toMatchObject({
        contentType: 'image/jpeg',
        contentDisposition: 'inline; filename=holiday.jpg',
        cacheControl: 'public, max-age=31536000, immutable',
      });
    });

    it('takes over nothing that the uploader said about the upload', async () => {
      const key = newKey();

      await stage.storage.promote(key, stage.upload(key, gzipSync('x'), 'gzip'), JPEG);

      expect(stage.stored('media', key).attributes).not.toHaveProperty('contentEncoding');
    });
  });
});
