import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database } from '../../src/database/database.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { ObjectStorage } from '../../src/storage/object-storage.js';
import { StorageUnavailableError } from '../../src/storage/storage.errors.js';
import { sha256, until } from '../support/api-client.js';
import {
  BATCH,
  type Batch,
  type BatchItem,
  jpegs,
  requestBatch,
  statusesOf,
  ticketOf,
} from '../support/batch-requests.js';
import { photo } from '../support/images.js';
import { KeyedRequests, outcome } from '../support/keyed-requests.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const JPEG = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };
const TICKET = ['mediaFileId', 'storageKey', 'uploadUrl', 'uploadMethod', 'uploadHeaders', 'expiresAt'];

describe('POST /v1/media/uploads/batch', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
  });
  afterAll(async () => mediadock.close());

  // Signing is local arithmetic on both stacks, and cannot be made to fail from outside.
  const failOnce = () =>
    vi
      .spyOn(mediadock.app.get(ObjectStorage, { strict: false }), 'signUpload')
      .mockRejectedValueOnce(new StorageUnavailableError('signUpload'));

  it('gives a URL for each item, in order, and each of them works', async () => {
    const alice = mediadock.as('alice');
    const photos = await Promise.all([0, 1, 2].map((seed) => photo(60 + seed, 40, seed)));
    const answer = await requestBatch(
      alice,
      photos.map((bytes, index) => ({ ...JPEG, fileName: `Number ${index}.JPG`, fileSize: bytes.length })),
    );
    expect([answer.status, statusesOf(answer)]).toEqual([200, [201, 201, 201]]);
    for (const [index, bytes] of photos.entries()) {
      const ticket = ticketOf(answer.body.items[index]);
      expect((await alice.put(ticket, bytes)).status).toBe(200);
      expect((await alice.confirm(ticket.mediaFileId)).body).toMatchObject({
        originalFileName: `number ${index}.jpg`,
        fileSize: bytes.length,
        status: 'processing',
      });
    }
    const used = photos.reduce((sum, bytes) => sum + bytes.length, 0);
    expect(await alice.quota()).toMatchObject({ usedBytes: used, reservedBytes: 0 });
  });

  describe('answers each item as it would be answered alone', () => {
    it.each<[string, object]>([
      ['201', {}],
      ['201', { contentHash: 'a1'.repeat(32) }],
      ['201', { contentHash: null }],
      ['415 invalid_type', { mimeType: 'image/svg+xml' }],
      ['413 file_too_large', { fileSize: 10 * 1024 * 1024 + 1 }],
      ['400 validation_failed', { fileSize: -1, mimeType: 5 }],
      ['400 validation_failed', { folder: 'x' }],
      ['400 validation_failed', { fileName: undefined }],
    ])('%s for %o', async (expected, change) => {
      const item = { ...JPEG, ...change };
      const alone = await mediadock.as('bob').sendJson<BatchItem>('POST', '/v1/media/uploads', item);
      const { body } = await requestBatch(mediadock.as('bob'), [JPEG, item]);
      const [, together] = body.items;
      expect([together?.status, together?.code].filter(Boolean).join(' ')).toBe(expected);
      expect(comparable(together)).toEqual(comparable({ ...alone.body, status: alone.status }));
    });

    it('200, and the file that is there, for each item that asks for it', async () => {
      const grace = mediadock.as('grace');
      const bytes = await photo(70, 50);
      const { body: file } = await grace.uploadDirect(bytes, 'image/jpeg');
      const ready = await grace.settled(file.id);
      const known = { ...JPEG, contentHash: sha256(bytes).toUpperCase() };
      const answer = await requestBatch(grace, [known, JPEG, known]);
      const duplicate = { status: 200, duplicate: true, mediaFile: ready };
      expect(answer.body.items).toEqual([duplicate, expect.objectContaining({ status: 201 }), duplicate]);
      expect(await grace.quota()).toMatchObject({ reservedBytes: 1000 });
    });
  });

  it('makes two uploads of two items with one hash that nobody has yet', async () => {
    const unknown = { ...JPEG, contentHash: 'c3'.repeat(32) };
    expect(statusesOf(await requestBatch(mediadock.as('heidi'), [unknown, unknown]))).toEqual([201, 201]);
    expect(await mediadock.as('heidi').quota()).toMatchObject({ reservedBytes: 2000 });
  });

  it('does not show the files of others', async () => {
    const bytes = await photo(70, 51);
    await mediadock.as('ivan').uploadDirect(bytes, 'image/jpeg');
    const answer = await requestBatch(mediadock.as('judy'), [{ ...JPEG, contentHash: sha256(bytes) }]);
    expect(statusesOf(answer)).toEqual([201]);
  });

  it.each([
    ['no items', {}],
    ['items that are no list', { items: { 0: JPEG } }],
    ['no item', { items: [] }],
    ['101 items', { items: Array.from({ length: 101 }, () => JPEG) }],
    ['an unknown field beside the items', { items: [JPEG], dryRun: true }],
    ['a list instead of an object', [JPEG]],
  ])('is refused as a whole with %s', async (_what, body) => {
    const carol = mediadock.as('carol');
    const answer = await carol.sendJson('POST', BATCH, body);
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
    expect(answer.body.errors?.length).toBeGreaterThan(0);
    expect(await carol.quota()).toMatchObject({ reservedBytes: 0 });
  });

  it('names every mistake of the envelope at once', async () => {
    const { body } = await mediadock.as('carol').sendJson('POST', BATCH, { items: 5, dryRun: true });
    expect(body.errors?.map(({ field }) => field)).toEqual(['dryRun', 'items']);
  });

  it('lets no malformed item harm the others, however malformed it is', async () => {
    const depth = 20_000;
    const good = JSON.stringify(JPEG);
    const malformed = [
      'null',
      '5',
      '"x"',
      '[]',
      `[${good}]`,
      `{"fileName":${'['.repeat(depth)}${']'.repeat(depth)}}`,
      '{"__proto__":{"fileName":"a.jpg"},"constructor":1}',
    ];
    const answer = await new KeyedRequests(mediadock.baseUrl, 'dave').json<Batch>(
      BATCH,
      `{"items":[${[good, ...malformed, good].join(',')}]}`,
      'with a key, so that all of it is looked at',
    );
    expect([answer.status, statusesOf(answer)]).toEqual([200, [201, ...malformed.map(() => 400), 201]]);
    expect(answer.body.items[1]).toEqual({
      status: 400,
      code: 'validation_failed',
      type: 'urn:mediadock:problem:validation_failed',
      title: 'The request is not valid',
      detail: 'items.1 must be an object',
      instance: BATCH,
      errors: [{ field: 'items.1', message: 'must be an object' }],
    });
  });

  it('takes 100 items with names of 255 bytes and hashes', async () => {
    const items = Array.from({ length: 100 }, (_, index) => ({
      fileName: `${'\u00e4'.repeat(120)}${String(index).padStart(11, '0')}.jpg`,
      mimeType: 'image/jpeg',
      fileSize: 10_000_000 - index,
      contentHash: sha256(Buffer.from(String(index))),
    }));
    expect(Buffer.byteLength(String(items[0]?.fileName))).toBe(255);
    const answer = await requestBatch(mediadock.as('many'), items);
    expect(new Set(statusesOf(answer))).toEqual(new Set([201]));
    expect(new Set(answer.body.items.map(({ mediaFileId }) => mediaFileId)).size).toBe(100);
    expect((await mediadock.as('many').list({ limit: '100' })).body.items).toHaveLength(100);
  });

  it('takes the same few statements for one item as for a hundred', async () => {
    // Nobody else is at the database: the sweeps are far apart, and the jobs of the tests before are done.
    await until(async () => {
      const { waiting, active, delayed } = await mediadock.app.get(JobQueue, { strict: false }).depth();
      return waiting + active + delayed === 0 ? true : null;
    }, 'the queue to be empty');
    const rows = vi.spyOn(mediadock.app.get(Database, { strict: false }), 'rows');
    const hundred = jpegs(...Array.from({ length: 100 }, () => 1000));
    const hashed = hundred.map((item, index) => ({ ...item, contentHash: sha256(Buffer.from([index])) }));
    await requestBatch(mediadock.as('counted'), [JPEG]);
    const counts: number[] = [];
    for (const items of [[JPEG], hundred, hashed]) {
      rows.mockClear();
      expect(new Set(statusesOf(await requestBatch(mediadock.as('counted'), items)))).toEqual(new Set([201]));
      counts.push(rows.mock.calls.length);
    }
    expect(counts).toEqual([1, 1, 2]);
  });

  describe('when a URL cannot be signed', () => {
    it('says so for that item alone, and reserves nothing for it', async () => {
      failOnce();
      const answer = await requestBatch(mediadock.as('kate'), [JPEG, JPEG]);
      expect(answer.body.items).toMatchObject([
        { status: 503, code: 'storage_unavailable', instance: BATCH },
        { status: 201 },
      ]);
      expect(await mediadock.as('kate').quota()).toMatchObject({ reservedBytes: 1000 });
      expect((await mediadock.as('kate').list()).body.items.map(({ id }) => id)).toEqual([
        answer.body.items[1]?.mediaFileId,
      ]);
    });

    it('does not try it for each of a hundred while none can be signed', async () => {
      const signUpload = vi.spyOn(mediadock.app.get(ObjectStorage, { strict: false }), 'signUpload');
      try {
        signUpload.mockClear();
        signUpload.mockRejectedValue(new StorageUnavailableError('signUpload'));
        const hundred = jpegs(...Array.from({ length: 100 }, () => 1000));
        const answer = await requestBatch(mediadock.as('kim'), hundred);
        expect(new Set(statusesOf(answer))).toEqual(new Set([503]));
        expect(signUpload.mock.calls.length).toBeLessThanOrEqual(10);
        expect((await mediadock.as('kim').requestUpload<unknown>(JPEG)).status).toBe(503);
        expect(await mediadock.as('kim').quota()).toMatchObject({ reservedBytes: 0 });
      } finally {
        signUpload.mockRestore();
      }
    });

    it('gives no ticket to an item that is of no use any more when the request is repeated', async () => {
      failOnce();
      const lena = new KeyedRequests(mediadock.baseUrl, 'lena');
      const items = jpegs(1000, 1000, 1000);
      const first = await lena.json<Batch>(BATCH, { items }, 'k');
      expect(statusesOf(first)).toEqual([503, 201, 201]);
      await mediadock.as('lena').delete(ticketOf(first.body.items[1]).mediaFileId);
      await mediadock.database.query(
        `update media_files set upload_expires_at = now() - interval '1 second' where id = $1`,
        [ticketOf(first.body.items[2]).mediaFileId],
      );
      const second = await lena.json<Batch>(BATCH, { items }, 'k');
      expect(second.body.items).toMatchObject([
        { status: 201 },
        { status: 404, code: 'not_found' },
        { status: 410, code: 'upload_expired' },
      ]);
    });

    it('gives the missing URL, for the same file, to who repeats the request under its key', async () => {
      failOnce();
      const leo = new KeyedRequests(mediadock.baseUrl, 'leo');
      const items = jpegs(1000, 0, 1000);
      const first = await leo.json<Batch>(BATCH, { items }, 'k');
      expect(statusesOf(first)).toEqual([503, 400, 201]);
      const second = await leo.json<Batch>(BATCH, { items }, 'k');
      expect([outcome(second), statusesOf(second)]).toEqual(['200', [201, 400, 201]]);
      expect(second.body.items[2]?.mediaFileId).toBe(first.body.items[2]?.mediaFileId);
      expect(await mediadock.as('leo').quota()).toMatchObject({ reservedBytes: 2000 });
      expect((await leo.json(BATCH, { items }, 'k')).text).toBe(second.text);
    });
  });

  it('leaves every ledger as its rows say', async () => {
    await expect(mediadock.app.get(QuotaReconciler, { strict: false }).findDrift()).resolves.toEqual([]);
  });
});

/** Without what is another one with every request: ids, and the path that was asked for. */
function comparable(item: BatchItem | undefined): object {
  const { mediaFileId: _id, storageKey: _key, uploadUrl: _url, expiresAt: _end, ...rest } = { ...item };
  const names = TICKET.filter((name) => Object.hasOwn({ ...item }, name));
  return { ...rest, ...(rest.instance === undefined ? {} : { instance: 'its own' }), names };
}
