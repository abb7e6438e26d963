import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../../src/storage/gcs/gcs-calls.js';
import { GcsObjectStorage } from '../../src/storage/gcs/gcs-object-storage.js';
import { ObjectNotFoundError, StorageUnavailableError } from '../../src/storage/storage.errors.js';
import { newKey } from '../contract/object-storage.harness.js';
import { bytesOf, GcsStage, isRewrite, isUpload, JPEG, QUICK } from '../support/gcs/gcs-stage.js';

type Verb = [name: string, call: (storage: GcsObjectStorage, key: string) => Promise<unknown>];

/** For requests that are never answered, so that a test does not wait long. */
const IMPATIENT: Partial<RetryPolicy> = { ...QUICK, attemptTimeoutMs: 500, transferTimeoutMs: 500 };

describe(`${GcsObjectStorage.name} on a network with faults`, () => {
  const unhandled: unknown[] = [];
  const remember = (reason: unknown) => unhandled.push(reason);
  let stage: GcsStage;

  /** Every verb that talks to the store, on a file that was uploaded and promoted. */
  const verbs: Verb[] = [
    ['stat', (storage, key) => storage.stat('media', key)],
    ['readHead', (storage, key) => storage.readHead('media', key, 16)],
    ['openRead', (storage, key) => bytesOf(storage, key)],
    ['promote', (storage, key) => storage.promote(key, stage.stored('uploads', key).generation, JPEG)],
    ['put', (storage, key) => storage.put(key, Buffer.from('other'), JPEG)],
    ['delete', (storage, key) => storage.delete('media', key)],
    ['check', (storage) => storage.check()],
  ];

  beforeAll(async () => {
    process.on('unhandledRejection', remember);
    process.on('uncaughtExceptionMonitor', remember);
    stage = await GcsStage.start();
  });

  afterEach(() => {
    stage.gcs.faults.clear();
  });

  afterAll(async () => {
    await stage.gcs.close();
    process.off('unhandledRejection', remember);
    process.off('uncaughtExceptionMonitor', remember);
  });

  describe('while single requests go wrong', () => {
    it.each(verbs)('%s succeeds after the store was unavailable twice', async (_, call) => {
      const key = await stage.promoted();
      stage.gcs.faults.next(2, { kind: 'status', status: 503 });

      await expect(call(stage.storage, key)).resolves.not.toThrow();
    });

    it.each(verbs)('%s succeeds after its connection was reset', async (_, call) => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'reset' });

      await expect(call(stage.storage, key)).resolves.not.toThrow();
    });

    it.each(verbs)('%s succeeds after a request that was never answered', async (_, call) => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'stall' });

      await expect(call(stage.storageWith({ retry: IMPATIENT }), key)).resolves.not.toThrow();
    });

    it.each(verbs)('%s succeeds when the answer to a request is lost', async (_, call) => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'answer-lost' });

      await expect(call(stage.storage, key)).resolves.not.toThrow();
    });

    it.each([408, 429, 500, 502, 503, 504])('tries again after %i', async (status) => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'status', status });

      expect(await stage.storage.stat('media', key)).toMatchObject({ size: 5000 });
    });

    it.each([400, 401, 403])('does not try again after %i, which would only come again', async (status) => {
      const key = await stage.promoted();
      stage.gcs.faults.always({ kind: 'status', status });
      const before = stage.gcs.server.requests.length;

      await expect(stage.storage.stat('media', key)).rejects.toThrow(StorageUnavailableError);
      expect(stage.gcs.server.requests.length - before).toBe(1);
    });
  });

  describe('when a write was carried out and its answer lost', () => {
    it('put finds its own object, and writes no second one', async () => {
      const key = newKey();
      const last = stage.upload(newKey(), Buffer.from('generations are counted'));
      stage.gcs.faults.next(1, { kind: 'answer-lost' }, isUpload);

      await stage.storage.put(key, Buffer.from('bytes'), JPEG);

      expect(stage.stored('media', key).bytes.toString()).toBe('bytes');
      expect(BigInt(stage.stored('media', key).generation)).toBe(BigInt(last) + 1n);
    });

    it('put that replaces another object writes once as well', async () => {
      const key = newKey();
      await stage.storage.put(key, Buffer.from('old'), JPEG);
      const { generation } = stage.stored('media', key);
      // The first request is refused, since there is an object; the answer to the second one is lost.
      let uploads = 0;
      stage.gcs.faults.next(1, { kind: 'answer-lost' }, (target) => isUpload(target) && (uploads += 1) === 2);

      await stage.storage.put(key, Buffer.from('new'), JPEG);

      expect(stage.stored('media', key).bytes.toString()).toBe('new');
      expect(BigInt(stage.stored('media', key).generation)).toBe(BigInt(generation) + 1n);
    });

    it('promote finds its own copy', async () => {
      const key = newKey();
      const generation = stage.upload(key, Buffer.from('bytes'));
      stage.gcs.faults.next(1, { kind: 'answer-lost' }, isRewrite);

      await stage.storage.promote(key, generation, JPEG);

      expect(BigInt(stage.stored('media', key).generation)).toBe(BigInt(generation) + 1n);
    });

    it('promote finds its own copy even when the upload is gone since', async () => {
      const key = newKey();
      const generation = stage.upload(key, Buffer.from('bytes'));
      await stage.storage.promote(key, generation, JPEG);
      await stage.storage.delete('uploads', key);

      await expect(stage.storage.promote(key, generation, JPEG)).resolves.toBeUndefined();
      await expect(stage.storage.promote(key, '1', JPEG)).rejects.toThrow(ObjectNotFoundError);
    });

    it('delete does not mind that the object is gone', async () => {
      const key = await stage.promoted();
      stage.gcs.faults.next(1, { kind: 'answer-lost' }, ({ method }) => method === 'DELETE');

      await stage.storage.delete('media', key);

      expect(stage.gcs.objects('media')).not.toContain(key);
    });
  });

  describe('while the store does not answer at all', () => {
    it.each(verbs)('%s fails in good time, and cuts its connections', async (_, call) => {
      const key = await stage.promoted();
      const retry = { ...QUICK, attempts: 2, attemptTimeoutMs: 200, transferTimeoutMs: 200 };
      stage.gcs.faults.always({ kind: 'stall' });

      await expect(call(stage.storageWith({ retry }), key)).rejects.toThrow(StorageUnavailableError);
      await stage.allEnded();
    });

    it('gives up when the time for all attempts is over, though there are attempts left', async () => {
      const retry = { ...QUICK, attempts: 1_000, attemptTimeoutMs: 50, totalTimeoutMs: 300 };
      stage.gcs.faults.always({ kind: 'stall' });
      const before = stage.gcs.server.requests.length;

      await expect(stage.storageWith({ retry }).stat('media', newKey())).rejects.toThrow(
        StorageUnavailableError,
      );
      expect(stage.gcs.server.requests.length - before).toBeLessThan(10);
    });
  });

  describe('while the store is down', () => {
    it.each(verbs)('%s fails, and works when it is up again', async (_, call) => {
      const key = await stage.promoted();
      await stage.gcs.down();

      const failure = await call(stage.storage, key).catch((error: unknown) => error);
      await stage.gcs.up();

      expect(failure).toBeInstanceOf(StorageUnavailableError);
      await expect(call(stage.storage, key)).resolves.not.toThrow();
    });

    it('makes URLs all the same', async () => {
      await stage.gcs.down();

      const url = await stage.storage.readUrl(newKey());
      const upload = await stage.storage.signUpload({
        key: newKey(),
        contentType: 'image/jpeg',
        contentLength: 3,
        expiresAt: new Date(Date.now() + 60_000),
      });
      await stage.gcs.up();

      expect([url, upload.url].every((made) => made.startsWith(stage.gcs.origin))).toBe(true);
    });
  });

  describe('with buckets that are not there', () => {
    const misconfigured: Verb[] = [
      ...verbs.filter(([name]) => name !== 'promote'),
      ['promote', (storage, key) => storage.promote(key, '1', JPEG)],
    ];

    it.each(misconfigured)('%s says that the storage is at fault, not the file', async (_, call) => {
      const storage = stage.storageWith({ bucket: 'no-such-bucket', uploadBucket: 'nor-such-one' });

      await expect(call(storage, newKey())).rejects.toThrow(StorageUnavailableError);
    });
  });

  it('leaves no rejection unhandled in all of this', () => {
    expect(unhandled).toEqual([]);
  });
});
