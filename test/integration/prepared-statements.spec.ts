import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/database/database.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const REQUEST = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };

async function preparedOn({ app }: TestApp): Promise<string[]> {
  const rows = await app
    .get(Database)
    .rows(sql<{ statement: string }>`select statement from pg_prepared_statements`);
  return rows.map(({ statement }) => statement).filter((text) => text.includes('media_files'));
}

describe('statements', () => {
  let database: TestDatabase;
  let mediadock: TestApp | null = null;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await mediadock?.close();
    mediadock = null;
  });
  afterAll(async () => database.drop());

  /** With a single connection, so that it can be asked what has been prepared on it. */
  async function start(environment: Record<string, string> = {}): Promise<TestApp> {
    mediadock = await startTestApp({
      DATABASE_URL: database.url,
      DATABASE_POOL_SIZE: '1',
      SWEEP_INTERVAL_SECONDS: '3600',
      ...environment,
    });
    return mediadock;
  }

  /** Entries of the indexes by user that have been read so far. */
  async function entriesRead({ app }: TestApp): Promise<number> {
    const byApp = app.get(Database);
    await byApp.rows(sql`select pg_stat_force_next_flush()`);
    await byApp.rows(sql`select 1`);
    const [row] = await database.query<{ read: string }>(
      `select sum(idx_tup_read) as read from pg_stat_user_indexes where indexrelname like 'media\\_%\\_idx'`,
    );
    return Number(row?.read);
  }

  it('are prepared once, however often they are run', async () => {
    const app = await start();
    const alice = app.as('alice');
    for (let round = 0; round < 10; round += 1) {
      expect((await alice.requestUpload(REQUEST)).status).toBe(201);
      expect((await alice.list()).status).toBe(200);
    }

    const prepared = await preparedOn(app);

    expect(prepared.length).toBeGreaterThanOrEqual(2);
    expect(new Set(prepared).size).toBe(prepared.length);
  });

  it('are not prepared where a pooler may give each another connection', async () => {
    const app = await start({ DATABASE_DIRECT_URL: `${database.url}?application_name=direct` });
    const alice = app.as('alice');
    expect((await alice.requestUpload(REQUEST)).status).toBe(201);
    expect((await alice.list()).status).toBe(200);

    expect(await preparedOn(app)).toEqual([]);
  });

  it('find a file by its id, though they were planned when the table was next to empty', async () => {
    const app = await start();
    const alice = app.as('alice');
    const confirmOne = async (): Promise<void> => {
      const ticket = await alice.uploadUnconfirmed(await photo(40, 30), 'image/jpeg');
      expect((await alice.confirm(ticket.mediaFileId)).status).toBe(200);
    };
    // From the sixth time on, PostgreSQL keeps the plan that it has.
    for (let round = 0; round < 8; round += 1) {
      await confirmOne();
    }
    await database.query(
      `insert into media_files (id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key,
         storage_bucket, status, upload_expires_at, reservation_open)
       select gen_random_uuid(), user_id, 'x', 'x.jpg', 'image/jpeg', 1, 'image', 'x', 'media', 'pending',
         now() + interval '1 hour', true
       from storage_quotas, generate_series(1, 3000)`,
    );

    const before = await entriesRead(app);
    await confirmOne();

    expect((await entriesRead(app)) - before).toBeLessThan(100);
  });

  it('go on working when a newer version has changed the table under them', async () => {
    const app = await start();
    const alice = app.as('alice');
    const { body } = await alice.requestUpload(REQUEST);
    await alice.get(body.mediaFileId);
    await alice.list();

    await database.query('alter table media_files add column from_the_future text');
    await database.query(`alter table storage_quotas add column from_the_future bigint default 0`);

    expect((await alice.get(body.mediaFileId)).status).toBe(200);
    expect((await alice.list()).status).toBe(200);
    expect((await alice.requestUpload(REQUEST)).status).toBe(201);
    expect((await alice.delete(body.mediaFileId)).status).toBe(204);
  });
});
