import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/idempotency/fingerprint.js';
import { IdempotencyRepository } from '../../src/idempotency/idempotency.repository.js';
import type { Claim } from '../../src/idempotency/claim.js';
import { IdempotencyService } from '../../src/idempotency/idempotency.service.js';
import { BatchUploadsRepository } from '../../src/media/batch-uploads.repository.js';
import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import { contentOf } from '../../src/media/dto/request-upload.dto.js';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { UploadsService } from '../../src/media/uploads.service.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { UsersService } from '../../src/users/users.service.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { KeyedRequests, outcome } from '../support/keyed-requests.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const UPLOADS = '/v1/media/uploads';
const BATCH = '/v1/media/uploads/batch';
const JPEG = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };

interface Batch {
  items: { status: number; mediaFileId?: string; code?: string }[];
}

describe('a request with an Idempotency-Key that was cut off', () => {
  let mediadock: TestApp;
  let other: Client;
  let subject: string;
  let client: KeyedRequests;

  beforeAll(async () => {
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    await mediadock.database.query(`
      create function refuse_answers() returns trigger language plpgsql as $$
      begin raise exception 'the process is dead'; end $$`);
  });
  afterAll(async () => mediadock.close());
  beforeEach(async () => {
    subject = `user ${randomUUID()}`;
    client = new KeyedRequests(mediadock.baseUrl, subject);
    other = new Client({ connectionString: mediadock.database.url });
    await other.connect();
  });
  afterEach(async () => other.end());

  const get = <Part>(part: new (...parts: never[]) => Part): Part =>
    mediadock.app.get(part, { strict: false });
  const sql = (text: string, ...values: unknown[]) =>
    mediadock.database.query<Record<string, unknown>>(text, values);
  const userId = async () => String(await get(UsersService).resolve(subject));
  const files = async () =>
    sql('select id, status from media_files where user_id = $1 order by id', await userId());
  const endLease = async () =>
    sql(
      "update idempotency_keys set locked_until = now() - interval '1 s' where user_id = $1",
      await userId(),
    );

  const limitTo = async (bytes: number) =>
    sql('update storage_quotas set limit_bytes = $2 where user_id = $1', await userId(), bytes);

  /** Everything is committed but the answer, as when a process dies right then. */
  async function withoutAnswer<Result>(work: () => Promise<Result>): Promise<Result> {
    await sql(`create trigger no_answer before update of status_code on idempotency_keys
      for each row when (new.status_code is not null) execute function refuse_answers()`);
    try {
      return await work();
    } finally {
      await sql('drop trigger no_answer on idempotency_keys');
    }
  }

  /** A claim of a process that then does nothing more. */
  async function forgottenClaim(key: string): Promise<Claim> {
    const route = `POST ${UPLOADS}`;
    const slot = { userId: await userId(), route, key };
    const found = await get(IdempotencyRepository).claim(
      slot,
      fingerprint(route, contentOf(JPEG)),
      randomUUID(),
    );
    if (found?.state !== 'claimed') {
      throw new Error(`The key was not free: ${found?.state}`);
    }
    return found.claim;
  }

  /** Puts the direct upload back to where it was between its insertion and its settlement. */
  async function unsettle(): Promise<string> {
    const id = String((await files())[0]?.['id']);
    await mediadock.as(subject).settled(id);
    await sql(
      `with file as (
         update media_files set status = 'pending', reservation_open = true, content_hash = null, metadata = null,
           processed_at = null, width = null, height = null
         where id = $1 returning user_id, file_size)
       update storage_quotas q set used_bytes = used_bytes - file_size, reserved_bytes = reserved_bytes + file_size
       from file where q.user_id = file.user_id`,
      id,
    );
    return id;
  }

  async function newRow() {
    const uploads = get(UploadsService);
    return uploads.newUpload(await userId(), JPEG, uploads.requireAcceptable(JPEG));
  }

  describe('after its rows were committed', () => {
    it('gets its ticket from the next one, at once', async () => {
      const lost = await withoutAnswer(() => client.json(UPLOADS, JPEG, 'k'));
      expect(outcome(lost)).toBe('500 internal');
      const [row] = await files();
      const retried = await client.json<UploadTicketDto>(UPLOADS, JPEG, 'k');
      expect([outcome(retried), retried.body.mediaFileId]).toEqual(['201', row?.['id']]);
      expect(await files()).toHaveLength(1);
      expect(await mediadock.as(subject).quota()).toMatchObject({ reservedBytes: 1000 });
      expect((await client.json(UPLOADS, JPEG, 'k')).text).toBe(retried.text);
      const put = await mediadock.as(subject).put(retried.body, Buffer.alloc(1000));
      expect(put.status).toBe(200);
    });

    it('gets its file from the next one on the direct route, as created', async () => {
      const bytes = await photo(90, 60);
      await withoutAnswer(() => client.file(bytes, 'k'));
      const [row] = await files();
      const retried = await client.file<MediaFileDto>(bytes, 'k');
      expect([outcome(retried), retried.body.id]).toEqual(['201', row?.['id']]);
      expect(await files()).toHaveLength(1);
      expect((await mediadock.as(subject).settled(retried.body.id)).status).toBe('ready');
      expect((await client.file(bytes, 'k')).text).toBe(retried.text);
    });

    it('is finished on the direct route also when its bytes had not been stored yet', async () => {
      const bytes = await photo(91, 60);
      await withoutAnswer(() => client.file(bytes, 'k'));
      const id = await unsettle();
      const retried = await client.file<MediaFileDto>(bytes, 'k');
      expect([outcome(retried), retried.body.id]).toEqual(['201', id]);
      expect((await mediadock.as(subject).settled(id)).status).toBe('ready');
      expect(await mediadock.as(subject).quota()).toMatchObject({
        usedBytes: bytes.length,
        reservedBytes: 0,
      });
    });

    it.each(['k', undefined])(
      'is no obstacle on the direct route when its window has closed, swept or not (key %s)',
      async (key) => {
        const bytes = await photo(92, 60);
        await withoutAnswer(() => client.file(bytes, 'k'));
        const id = await unsettle();
        await sql("update media_files set upload_expires_at = now() - interval '1 s' where id = $1", id);
        const anew = await client.file<MediaFileDto>(bytes, key);
        expect(outcome(anew)).toBe('201');
        expect(anew.body.id).not.toBe(id);
        await get(Sweeper).sweep();
        expect((await mediadock.as(subject).settled(anew.body.id)).status).toBe('ready');
        expect(await mediadock.as(subject).quota()).toMatchObject({
          usedBytes: bytes.length,
          reservedBytes: 0,
        });
      },
    );

    it('gets its tickets and its refusals from the next one in a batch, and nothing is decided anew', async () => {
      await mediadock.as(subject).quota();
      await limitTo(2500);
      const items = [JPEG, { ...JPEG, fileSize: 0 }, JPEG, JPEG, { ...JPEG, fileSize: 500 }];
      expect(outcome(await withoutAnswer(() => client.json(BATCH, { items }, 'k')))).toBe('500 internal');
      const made = await files();
      await limitTo(1_000_000);
      const retried = await client.json<Batch>(BATCH, { items }, 'k');
      expect(outcome(retried)).toBe('200');
      expect(retried.body.items.map(({ status }) => status)).toEqual([201, 400, 201, 403, 201]);
      const ids = retried.body.items.flatMap(({ mediaFileId }) => mediaFileId ?? []);
      expect(ids).toEqual(made.map(({ id }) => id));
      expect(await files()).toEqual(made);
      expect((await client.json(BATCH, { items }, 'k')).text).toBe(retried.text);
    });

    it('gives one answer to all who ask for it at once', async () => {
      await withoutAnswer(() => client.json(UPLOADS, JPEG, 'k'));
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.json(UPLOADS, JPEG, 'k')));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(await files()).toHaveLength(1);
    });

    it('is answered with what its successor said when it was only slow', async () => {
      const request = { userId: await userId(), route: 'POST /', key: 'k', body: () => null };
      const keys = get(IdempotencyService);
      const slow = await keys.run(request, {
        start: async (claim) => {
          await get(MediaFilesRepository).insertReserving(await newRow(), claim);
          const successor = await keys.run(request, { start: never, resume: answering('second') });
          expect(successor).toEqual({ status: 201, body: '{"text":"second"}', replayed: false });
          return answering('first')();
        },
        resume: never,
      });
      expect(slow).toEqual({ status: 201, body: '{"text":"second"}', replayed: true });
    });

    it.each([
      ['its window has closed', "upload_expires_at = now() - interval '1 s'"],
      ['it was deleted', 'deleted_at = now()'],
    ])('begins anew when %s, for nobody has the old ticket', async (_what, change) => {
      for (const [path, body] of [
        [UPLOADS, JPEG],
        [BATCH, { items: [JPEG] }],
      ] as const) {
        await withoutAnswer(() => client.json(path, body, 'k'));
        await sql(`update media_files set ${change} where user_id = $1`, await userId());
        const before = await files();
        const answers = await Promise.all(Array.from({ length: 10 }, () => client.json(path, body, 'k')));
        expect(answers.map(({ status }) => status)).toContain(path === UPLOADS ? 201 : 200);
        expect(await files()).toHaveLength(before.length + 1);
      }
    });

    it('is still another request with another body', async () => {
      await withoutAnswer(() => client.json(UPLOADS, JPEG, 'k'));
      expect(outcome(await client.json(UPLOADS, { ...JPEG, fileSize: 1 }, 'k'))).toBe(
        '422 idempotency_conflict',
      );
    });
  });

  describe('before anything was committed', () => {
    it('keeps others off while its lease runs, and leaves the key to one of them then', async () => {
      await forgottenClaim('k');
      const early = await client.json(UPLOADS, JPEG, 'k');
      expect([outcome(early), early.headers.get('retry-after')]).toEqual(['409 idempotency_in_flight', '1']);
      await endLease();
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.json(UPLOADS, JPEG, 'k')));
      const given = answers.filter(({ status }) => status === 201);
      expect(given.length).toBeGreaterThan(0);
      expect(new Set(given.map(({ text }) => text)).size).toBe(1);
      expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
      expect(await files()).toHaveLength(1);
    });

    it('makes no row when it comes back late, and moves no ledger', async () => {
      const stale = await forgottenClaim('k');
      await endLease();
      await client.json(UPLOADS, JPEG, 'k');
      const late = await newRow();
      await expect(get(MediaFilesRepository).insertReserving(late, stale)).rejects.toThrow('do not fit');
      await expect(
        get(BatchUploadsRepository).insertReserving(await userId(), [late], stale),
      ).rejects.toThrow('claim');
      expect(await files()).toHaveLength(1);
      expect(await mediadock.as(subject).quota()).toMatchObject({ reservedBytes: 1000 });
    });

    it('makes no row when its key was given up meanwhile', async () => {
      const released = await forgottenClaim('k');
      expect(await get(IdempotencyRepository).release(released)).toBe(true);
      await expect(get(MediaFilesRepository).insertReserving(await newRow(), released)).rejects.toThrow(
        'do not fit',
      );
      expect(await files()).toEqual([]);
    });

    it('answers with what its successor made when it is only slow', async () => {
      const request = { ...JPEG, contentHash: 'd4'.repeat(32) };
      await client.json(UPLOADS, JPEG);
      // Both look for a duplicate first, and wait here with the claim in their hands.
      await other.query('begin');
      await other.query('lock table media_files in access exclusive mode');
      const slow = client.json<UploadTicketDto>(UPLOADS, request, 'k');
      await until(
        async () => ((await mediadock.database.lockWaits()) === 1 ? true : null),
        'the first request to wait',
      );
      await endLease();
      const successor = client.json<UploadTicketDto>(UPLOADS, request, 'k');
      await until(
        async () => ((await mediadock.database.lockWaits()) === 2 ? true : null),
        'the second request to wait',
      );
      await other.query('rollback');
      const answers = await Promise.all([slow, successor]);
      const tickets = answers.filter(({ status }) => status === 201);
      expect(tickets.length).toBeGreaterThan(0);
      expect(new Set(tickets.map(({ text }) => text)).size).toBe(1);
      expect(answers.every((answer) => answer.status === 201 || answer.status === 409)).toBe(true);
      expect(await files()).toHaveLength(2);
    });
  });

  it('leaves every ledger as its rows say', async () => {
    await expect(get(QuotaReconciler).findDrift()).resolves.toEqual([]);
  });
});

const answering = (text: string) => async () => ({ status: 201, body: { text }, final: true });
const never = () => Promise.reject(new Error('Nobody should come here'));
