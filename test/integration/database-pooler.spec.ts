import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/database/database.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

// A pooler in transaction mode (PgBouncer) gives every statement the connection that is free, and lets in nobody who
// asks for settings in the start-up packet that it does not know.
describe('the connections of an application behind a pooler', () => {
  let database: TestDatabase;
  let around: TcpProxy;
  let mediadock: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    const direct = await TcpProxy.before(database.url);
    around = direct.proxy;
    mediadock = await startTestApp({ DATABASE_URL: database.url, DATABASE_DIRECT_URL: direct.url });
  });
  afterAll(async () => {
    await mediadock.close();
    await around.close();
    await database.drop();
  });

  it('take the way around it for what belongs to a connection, the locks', async () => {
    const holders = await until(async () => {
      const rows = await database.query<{ application_name: string }>(`
        select a.application_name from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and a.datname = current_database()`);
      return rows.length > 0 ? rows : null;
    }, 'the lock of the sweeper');
    expect(holders).toEqual([{ application_name: 'mediadock-lock' }]);
    // That of the sweeper; the lock of the migrations and the migrations themselves are gone again.
    expect(around.accepted).toBe(3);
  });

  it('go through it with everything else', async () => {
    const alice = mediadock.as('alice');
    const file = await alice.upload(await photo(40, 30), 'image/jpeg');
    expect((await alice.settled(file.id)).status).toBe('ready');
    expect(around.accepted).toBe(3);
  });

  it('set what they need by a statement of their own, not at the start', async () => {
    const row = await mediadock.app
      .get(Database, { strict: false })
      .first(sql`select setting, source from pg_settings where name = 'statement_timeout'`);
    expect(row).toEqual({ setting: '15000', source: 'session' });
  });
});
