import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AdvisoryLock } from '../../src/database/advisory-lock.js';
import { until } from '../support/api-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const KEY = 4711;

describe(AdvisoryLock.name, () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database.drop());

  it('is held by one at a time, also of many who try at once', async () => {
    const locks = Array.from({ length: 8 }, () => new AdvisoryLock(database.url, KEY));
    const held = await Promise.all(locks.map((lock) => lock.tryAcquire()));
    expect(held.filter(Boolean)).toHaveLength(1);
    await Promise.all(locks.map((lock) => lock.release()));
  });

  it('stays with its holder, who may ask again, and falls to the next one when released', async () => {
    const first = new AdvisoryLock(database.url, KEY);
    const second = new AdvisoryLock(database.url, KEY);
    expect(await first.tryAcquire()).toBe(true);
    expect(await first.tryAcquire()).toBe(true);
    expect(await second.tryAcquire()).toBe(false);
    await first.release();
    expect(await second.tryAcquire()).toBe(true);
    await second.release();
  });

  it('moves over when the connection of its holder dies, and the holder notices', async () => {
    const dying = new AdvisoryLock(database.url, KEY);
    const heir = new AdvisoryLock(database.url, KEY);
    expect(await dying.tryAcquire()).toBe(true);
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mediadock-lock' and datname = current_database()",
    );
    await until(async () => ((await heir.tryAcquire()) ? true : null), 'the lock to move');
    expect(await dying.tryAcquire()).toBe(false);
    await heir.release();
    expect(await dying.tryAcquire()).toBe(true);
    await dying.release();
  });

  it('does not wait for a server that says nothing any more', async () => {
    const { proxy, url } = await TcpProxy.before(database.url);
    const cutOff = new AdvisoryLock(url, KEY, 1_000);
    try {
      expect(await cutOff.tryAcquire()).toBe(true);
      proxy.swallow();
      await until(async () => ((await cutOff.tryAcquire()) ? true : null), 'a new connection', 10_000);
    } finally {
      await cutOff.release();
      await proxy.close();
    }
  });

  it('has PostgreSQL look after its holder, who may go without a good-bye', async () => {
    const sent = vi.spyOn(Client.prototype, 'query');
    const lock = new AdvisoryLock(database.url, KEY);
    await lock.tryAcquire();
    const [holder] = sent.mock.contexts;
    sent.mockRestore();
    if (!(holder instanceof Client)) {
      throw new TypeError('The lock is taken on a connection');
    }
    const settings = ['idle', 'interval', 'count'].map((name) => `current_setting('tcp_keepalives_${name}')`);
    const { rows } = await holder.query({ text: `select ${settings.join(', ')}`, rowMode: 'array' });
    expect(rows).toEqual([['10', '5', '3']]);
    await lock.release();
  });
});
