import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { build, Installation, type ServerProcess } from '../support/installation.js';
import { KeyedRequests, outcome } from '../support/keyed-requests.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_SECRET } from '../support/tokens.js';

const JPEG = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };
const LOCK = 4711;

describe('a process that is killed between its commit and its answer', () => {
  let database: TestDatabase;
  let installation: Installation;
  let server: ServerProcess;
  let holder: Client;

  beforeAll(async () => {
    await build();
    database = await createTestDatabase();
    installation = await Installation.create({
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      DATABASE_URL: database.url,
      JWT_SECRET: TEST_SECRET,
    });
    server = await installation.start();
    holder = new Client({ connectionString: database.url });
    await holder.connect();
    // Whoever wants to write an answer down waits for this lock, and the rows are committed by then.
    await database.query(`
      create function hold_answers() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(${LOCK}); return new; end $$`);
    await database.query(`
      create trigger hold_answers before update of status_code on idempotency_keys
      for each row when (new.status_code is not null) execute function hold_answers()`);
    await holder.query(`select pg_advisory_lock(${LOCK})`);
  }, 180_000);

  afterAll(async () => {
    await holder.end();
    await server.end('SIGTERM');
    await installation.remove();
    await database.drop();
  });

  it('leaves one row and one reservation for each request, which the next process answers', async () => {
    const alice = new KeyedRequests(installation.baseUrl, 'alice');
    const bytes = await photo(120, 90);
    const send = () => [
      alice.json('/v1/media/uploads', JPEG, 'single'),
      alice.json('/v1/media/uploads/batch', { items: [JPEG, { ...JPEG, fileSize: 0 }, JPEG] }, 'batch'),
      alice.file(bytes, 'direct'),
    ];
    const unanswered = Promise.allSettled(send());
    await until(
      async () => ((await waitingBackends()).length === 3 ? true : null),
      'all three to be about to answer',
    );
    expect(await server.end('SIGKILL')).toBe('SIGKILL');
    expect((await unanswered).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    const made = await files();
    expect(made).toHaveLength(4);
    // A backend notices that its client is gone only when it has something to say, so here it would go on after all.
    for (const pid of await waitingBackends()) {
      await database.query('select pg_terminate_backend($1)', [pid]);
    }
    await database.query('drop trigger hold_answers on idempotency_keys');

    server = await installation.start();
    const retried = await Promise.all(send());
    expect(retried.map(outcome)).toEqual(['201', '200', '201']);
    const answered = retried.map(({ text }) => text).join('\n');
    expect(made.filter(({ id }) => !answered.includes(id))).toEqual([]);
    expect(await files()).toEqual(made);
    expect(await ledger()).toEqual([{ used: bytes.length, reserved: 3000 }]);
    const replayed = await Promise.all(send());
    expect(replayed.map(outcome)).toEqual(['201 replayed', '200 replayed', '201 replayed']);
    expect(replayed.map(({ text }) => text)).toEqual(retried.map(({ text }) => text));
  }, 120_000);

  async function waitingBackends(): Promise<number[]> {
    const rows = await database.query<{ pid: number }>(
      `select pid from pg_locks where locktype = 'advisory' and objid = ${LOCK} and not granted
         and database = (select oid from pg_database where datname = current_database())`,
    );
    return rows.map(({ pid }) => pid);
  }

  function files(): Promise<{ id: string }[]> {
    return database.query<{ id: string }>('select id from media_files order by id');
  }

  function ledger(): Promise<object[]> {
    return database.query(
      'select used_bytes::int as used, reserved_bytes::int as reserved from storage_quotas',
    );
  }
});
