import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { photo } from '../support/images.js';
import { KeyedRequests, outcome, type RawAnswer } from '../support/keyed-requests.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';

const UPLOADS = '/v1/media/uploads';
const BATCH = '/v1/media/uploads/batch';
const JPEG = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };

describe('Idempotency-Key', () => {
  let mediadock: TestApp;
  let bytes: Buffer;

  beforeAll(async () => {
    // The application's own sweeps are far apart: what is swept here, a test has asked for.
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    bytes = await photo(80, 60);
  });
  afterAll(async () => mediadock.close());

  const as = (subject: string) => new KeyedRequests(mediadock.baseUrl, subject);
  const sql = (text: string, ...values: unknown[]) =>
    mediadock.database.query<Record<string, unknown>>(text, values);
  const ofUser = 'user_id = (select id from user_profiles where user_info_id = $1)';
  const filesOf = (subject: string) => sql(`select id from media_files where ${ofUser}`, subject);
  const keysOf = (subject: string) => sql(`select * from idempotency_keys where ${ofUser}`, subject);
  const limitTo = (subject: string, size: number) =>
    sql(`update storage_quotas set limit_bytes = $2 where ${ofUser}`, subject, size);
  const age = (subject: string, interval: string) =>
    sql(
      `update idempotency_keys set created_at = created_at - $2::interval,
         locked_until = locked_until - $2::interval where ${ofUser}`,
      subject,
      interval,
    );

  describe.each<[string, (client: KeyedRequests, key?: string) => Promise<RawAnswer<unknown>>, number]>([
    ['POST /v1/media/uploads', (client, key) => client.json(UPLOADS, JPEG, key), 201],
    ['POST /v1/media', (client, key) => client.file(bytes, key), 201],
    ['POST /v1/media/uploads/batch', (client, key) => client.json(BATCH, { items: [JPEG, JPEG] }, key), 200],
  ])('on %s', (route, send, status) => {
    it('answers the same request again with the same bytes, and does nothing twice', async () => {
      const subject = `twice ${route}`;
      const first = await send(as(subject), 'k');
      const files = await filesOf(subject);
      const quota = await mediadock.as(subject).quota();
      expect(outcome(first)).toBe(String(status));
      for (const again of [await send(as(subject), 'k'), await send(as(subject), 'k')]) {
        expect(outcome(again)).toBe(`${status} replayed`);
        expect(again.text).toBe(first.text);
        expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
      }
      expect(await filesOf(subject)).toEqual(files);
      expect(await mediadock.as(subject).quota()).toEqual(quota);
    });

    it('answers as it does without a key', async () => {
      const [plain, keyed] = [await send(as(`plain ${route}`)), await send(as(`keyed ${route}`), 'k')];
      expect(keyed.status).toBe(plain.status);
      expect(keyed.headers.get('content-type')).toBe(plain.headers.get('content-type'));
      expect(Object.keys(Object(keyed.body))).toEqual(Object.keys(Object(plain.body)));
      expect(await keysOf(`plain ${route}`)).toEqual([]);
    });

    it('carries out one of 40 at once; the others get its answer, or are told to come back', async () => {
      const subject = `forty ${route}`;
      const answers = await Promise.all(Array.from({ length: 40 }, () => send(as(subject), 'k')));
      const kinds = new Set(answers.map(outcome));
      expect(kinds).toContain(String(status));
      expect([...kinds].filter((kind) => !kind.startsWith(String(status)))).toEqual(
        kinds.has('409 idempotency_in_flight') ? ['409 idempotency_in_flight'] : [],
      );
      const told = answers.filter((answer) => answer.status === 409);
      expect(told.every(({ headers }) => headers.get('retry-after') === '1')).toBe(true);
      const given = new Set(answers.filter((answer) => answer.status === status).map(({ text }) => text));
      expect(given.size).toBe(1);
      expect(await filesOf(subject)).toHaveLength(route.endsWith('batch') ? 2 : 1);
      expect(outcome(await send(as(subject), 'k'))).toBe(`${status} replayed`);
    });

    it('keeps the keys of different users apart', async () => {
      const [one, other] = await Promise.all(
        ['one', 'other'].map((name) => send(as(`${name} ${route}`), 'k')),
      );
      expect([one, other].map((answer) => answer && outcome(answer))).toEqual([
        String(status),
        String(status),
      ]);
      expect(one?.text).not.toBe(other?.text);
    });

    it('is new again a day after the first request, by the clock of the database', async () => {
      const subject = `day ${route}`;
      await send(as(subject), 'k');
      const filesThen = await filesOf(subject);
      await age(subject, '23 hours 59 minutes');
      expect(outcome(await send(as(subject), 'k'))).toBe(`${status} replayed`);
      await age(subject, '1 minute');
      const later = await send(as(subject), 'k');
      // The same bytes on the direct route are there already.
      expect(outcome(later)).toBe(route === 'POST /v1/media' ? '200' : String(status));
      expect(await filesOf(subject)).toHaveLength(filesThen.length * (route === 'POST /v1/media' ? 1 : 2));
      expect((await send(as(subject), 'k')).text).toBe(later.text);
    });
  });

  describe('is the same request', () => {
    it('whatever the order of its fields, its white space, and the case of its hash', async () => {
      const hash = 'a1'.repeat(32);
      const first = await as('order').json(UPLOADS, { ...JPEG, contentHash: hash }, 'k');
      const again = await as('order').json(
        UPLOADS,
        `{ "contentHash": "${hash.toUpperCase()}",\n "fileSize": 1e3, "mimeType": "image/jpeg", "fileName": "a.jpg" }`,
        'k',
      );
      expect(again.text).toBe(first.text);
    });

    it('with a hash of null, or none', async () => {
      const first = await as('null').json(UPLOADS, JPEG, 'k');
      expect(outcome(await as('null').json(UPLOADS, { ...JPEG, contentHash: null }, 'k'))).toBe(
        '201 replayed',
      );
      expect(first.status).toBe(201);
    });
  });

  describe('refuses another request under the same key, as 422', () => {
    it.each([
      ['name', { ...JPEG, fileName: 'b.jpg' }],
      ['type', { ...JPEG, mimeType: 'image/png' }],
      ['size', { ...JPEG, fileSize: 1001 }],
      ['hash', { ...JPEG, contentHash: 'b2'.repeat(32) }],
    ])('with another %s', async (what, other) => {
      const client = as(`other ${what}`);
      await client.json(UPLOADS, JPEG, 'k');
      expect(outcome(await client.json(UPLOADS, other, 'k'))).toBe('422 idempotency_conflict');
      expect(outcome(await client.json(UPLOADS, JPEG, 'k'))).toBe('201 replayed');
    });

    it('with other bytes, another name or another type on the direct route', async () => {
      const client = as('other file');
      await client.file(bytes, 'k');
      const others = [
        await client.file(await photo(80, 61), 'k'),
        await client.file(bytes, 'k', { fileName: 'b.jpg' }),
        await client.file(bytes, 'k', { mimeType: 'image/png' }),
      ];
      expect(others.map(outcome)).toEqual(others.map(() => '422 idempotency_conflict'));
    });

    it('with other items, or in another order, also where an item is malformed', async () => {
      const client = as('other items');
      const items = [JPEG, { ...JPEG, fileSize: 7 }, { fileName: 5, x: { deep: [1] } }];
      await client.json(BATCH, { items }, 'k');
      const others = [
        items.toReversed(),
        items.slice(0, 2),
        [...items.slice(0, 2), { fileName: 5, x: { deep: [2] } }],
        [...items.slice(0, 2), { malformed: { fileName: 5, x: { deep: [1] } } }],
      ];
      for (const other of others) {
        expect(outcome(await client.json(BATCH, { items: other }, 'k'))).toBe('422 idempotency_conflict');
      }
      expect(outcome(await client.json(BATCH, { items }, 'k'))).toBe('200 replayed');
    });

    it('but not on another route', async () => {
      const client = as('routes');
      const answers = [
        await client.json(UPLOADS, JPEG, 'k'),
        await client.json(BATCH, { items: [JPEG] }, 'k'),
        await client.file(bytes, 'k'),
      ];
      expect(answers.map(outcome)).toEqual(['201', '200', '201']);
    });
  });

  describe('may be any printable ASCII', () => {
    it.each(['x', 'k'.repeat(255), '"in quotes"', 'with a blank', '~!@#%^&*(){}<>', '0'])(
      '%s',
      async (key) => {
        const client = as(`printable ${key.slice(0, 20)}`);
        const first = await client.json(UPLOADS, JPEG, key);
        expect(outcome(first)).toBe('201');
        expect((await client.json(UPLOADS, JPEG, key)).text).toBe(first.text);
      },
    );

    it('and is taken as it is: quotes and case make another key', async () => {
      const client = as('opaque');
      const answers = [];
      for (const key of ['abc', '"abc"', 'ABC']) {
        answers.push(await client.json<UploadTicketDto>(UPLOADS, JPEG, key));
      }
      expect(answers.map(outcome)).toEqual(['201', '201', '201']);
      expect(new Set(answers.map(({ body }) => body.mediaFileId)).size).toBe(3);
    });

    it.each([
      ['empty', ''],
      ['longer than 255 bytes', 'k'.repeat(256)],
      ['of letters beyond ASCII', 'schl\u00fcssel'],
      ['with a tab', 'a\tb'],
    ])('but not be %s', async (_what, key) => {
      for (const answer of [
        await as('malformed').json(UPLOADS, JPEG, key),
        await as('malformed').json(BATCH, { items: [JPEG] }, key),
        await as('malformed').file(bytes, key),
      ]) {
        expect(outcome(answer)).toBe('400 validation_failed');
        expect(answer.body.errors).toEqual([
          { field: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' },
        ]);
      }
      expect(await filesOf('malformed')).toEqual([]);
    });

    it.each([
      ['may it come twice', ['a', 'b'], 'must be sent once'],
      ['may it come twice with the same value', ['a', 'a'], 'must be sent once'],
    ])('nor %s', async (_what, values, message) => {
      const body = JSON.stringify(JPEG);
      const headers = values.map((value) => `Idempotency-Key: ${value}\r\n`).join('');
      const answer = await rawRequest(
        mediadock.baseUrl,
        `POST ${UPLOADS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n` +
          `Authorization: Bearer ${tokenFor('raw')}\r\nContent-Type: application/json\r\n${headers}\r\n${body}`,
      );
      const errors = [{ field: 'Idempotency-Key', message }];
      expect(answer).toMatchObject({ status: 400, body: { code: 'validation_failed', errors } });
    });
  });

  describe('is free again after an error, for nothing was changed', () => {
    it('when the quota was full: the same request fits later', async () => {
      await mediadock.as('full').quota();
      await limitTo('full', 0);
      expect(outcome(await as('full').json(UPLOADS, JPEG, 'k'))).toBe('403 quota_exceeded');
      expect(outcome(await as('full').file(bytes, 'k'))).toBe('403 quota_exceeded');
      expect(await keysOf('full')).toEqual([]);
      await limitTo('full', 1_000_000);
      expect(outcome(await as('full').json(UPLOADS, JPEG, 'k'))).toBe('201');
      expect(outcome(await as('full').file(bytes, 'k'))).toBe('201');
    });

    it('when the request was refused: a better one may have the key', async () => {
      const client = as('mended');
      expect(outcome(await client.json(UPLOADS, { ...JPEG, mimeType: 'image/svg+xml' }, 'k'))).toBe(
        '415 invalid_type',
      );
      expect(outcome(await client.json(UPLOADS, { ...JPEG, fileSize: 0 }, 'k'))).toBe(
        '400 validation_failed',
      );
      expect(outcome(await client.json(BATCH, { items: [] }, 'k'))).toBe('400 validation_failed');
      expect(await keysOf('mended')).toEqual([]);
      expect(outcome(await client.json(UPLOADS, JPEG, 'k'))).toBe('201');
    });

    it('when storage was down: the same request then goes on with the row that it has', async () => {
      const client = as('outage');
      // Once anything is stored there is something to take away.
      const { id } = await mediadock.as('outage').upload(await photo(40, 30), 'image/jpeg');
      await mediadock.as('outage').settled(id);
      const other = await photo(41, 30);
      await mediadock.stack.storageDown();
      try {
        expect(outcome(await client.file(other, 'k'))).toBe('503 storage_unavailable');
      } finally {
        await mediadock.stack.storageUp();
      }
      const answer = await client.file<MediaFileDto>(other, 'k');
      expect(outcome(answer)).toBe('201');
      expect(await filesOf('outage')).toHaveLength(2);
      expect((await client.file(other, 'k')).text).toBe(answer.text);
    });
  });

  it('replays what was answered also when the file has been deleted since', async () => {
    const client = as('deleter');
    const first = await client.json<UploadTicketDto>(UPLOADS, JPEG, 'k');
    const direct = await client.file<MediaFileDto>(bytes, 'k');
    await mediadock.as('deleter').delete(first.body.mediaFileId);
    await mediadock.as('deleter').delete(direct.body.id);
    expect((await client.json(UPLOADS, JPEG, 'k')).text).toBe(first.text);
    expect((await client.file(bytes, 'k')).text).toBe(direct.text);
  });

  it('replays a duplicate as it was', async () => {
    const client = as('duplicate');
    const { body: file } = await client.file<MediaFileDto>(bytes);
    const request = { ...JPEG, contentHash: file.contentHash };
    const first = await client.json(UPLOADS, request, 'k');
    await mediadock.as('duplicate').settled(file.id);
    expect(outcome(first)).toBe('200');
    const again = await client.json(UPLOADS, request, 'k');
    expect([outcome(again), again.text]).toEqual(['200 replayed', first.text]);
  });

  it('lets many keys at once have exactly what fits, and frees those that do not', async () => {
    await mediadock.as('tight').quota();
    await limitTo('tight', 25_000);
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => as('tight').json(UPLOADS, JPEG, `key ${index}`)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(25);
    expect(answers.filter((answer) => outcome(answer) === '403 quota_exceeded')).toHaveLength(35);
    expect(await keysOf('tight')).toHaveLength(25);
    expect(await mediadock.as('tight').quota()).toMatchObject({ reservedBytes: 25_000 });
  });

  it('holds no reservation beyond the window of its upload', async () => {
    const { body } = await as('swept').json<UploadTicketDto>(UPLOADS, JPEG, 'k');
    await sql(
      "update media_files set upload_expires_at = now() - interval '1 s' where id = $1",
      body.mediaFileId,
    );
    await mediadock.app.get(Sweeper, { strict: false }).sweep();
    expect(await mediadock.as('swept').quota()).toMatchObject({ reservedBytes: 0, usedBytes: 0 });
    expect(outcome(await as('swept').json(UPLOADS, JPEG, 'k'))).toBe('201 replayed');
  });

  it('is removed by the sweeper after a day, batch by batch, and not before', async () => {
    await as('old').json(UPLOADS, JPEG, 'young');
    await as('old').json(UPLOADS, JPEG, 'k');
    await sql("update idempotency_keys set created_at = now() - interval '24 hours' where key = 'k'");
    await sql(
      `insert into idempotency_keys (user_id, route, key, fingerprint, owner, locked_until, created_at)
       select id, 'POST /', n, sha256(''), gen_random_uuid(), now() + interval '1 hour', now() - interval '2 days'
       from user_profiles, generate_series(1, 450) n where user_info_id = 'old'`,
    );
    await mediadock.app.get(Sweeper, { strict: false }).sweep();
    expect((await keysOf('old')).map(({ key }) => key)).toEqual(['young']);
    const { body: metrics } = await mediadock.anonymous().send<string>('GET', '/metrics');
    const forgotten = /mediadock_swept_files_total\{action="forgotten"\} (\d+)/.exec(metrics)?.[1];
    expect(Number(forgotten)).toBeGreaterThanOrEqual(451);
  });

  it('leaves every ledger as its rows say', async () => {
    await expect(mediadock.app.get(QuotaReconciler, { strict: false }).findDrift()).resolves.toEqual([]);
  });
});
