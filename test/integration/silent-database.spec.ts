import { setTimeout as sleep } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/database/database.js';
import { AS_REQUESTS_DO, ormOptions, UNHURRIED } from '../../src/database/orm-options.js';
import { PreparedStatements } from '../../src/database/prepared-statements.js';
import { UserProfile } from '../../src/users/user-profile.entity.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const POOL_SIZE = 2;
const PATIENCE_MS = 1_000;

/** What a machine looks like that lost its power, or is behind a cable that was pulled: nobody closes the connections. */
describe('a PostgreSQL that says nothing any more', () => {
  let server: TestDatabase;
  let proxy: TcpProxy;
  let orm: MikroORM;
  let database: Database;

  beforeAll(async () => {
    server = await createTestDatabase();
    const before = await TcpProxy.before(server.url);
    proxy = before.proxy;
    orm = await MikroORM.init({
      ...ormOptions(before.url, POOL_SIZE, { ...AS_REQUESTS_DO, silence: PATIENCE_MS }),
      entities: [UserProfile],
    });
    database = new Database(await PreparedStatements.on(orm, true));
  });
  afterAll(async () => {
    await orm.close(true);
    await proxy.close();
    await server.drop();
  });

  const ask = (by = database) => by.rows(sql<{ answer: number }>`select 1 as answer`);

  it.each([
    ['statements', () => ask()],
    ['transactions', () => database.transaction(ask)],
  ])('keeps none of the connections of the pool: %s', async (_kind, work) => {
    await Promise.all(Array.from({ length: POOL_SIZE }, work));
    proxy.swallow();
    const cutOff = await Promise.allSettled(Array.from({ length: POOL_SIZE }, work));
    expect(cutOff.map(({ status }) => status)).toEqual(Array(POOL_SIZE).fill('rejected'));
    // New connections get through: another server has taken over.
    const answers = await Promise.all(Array.from({ length: 5 * POOL_SIZE }, work));
    expect(answers).toEqual(answers.map(() => [{ answer: 1 }]));
    expect(answers).toHaveLength(5 * POOL_SIZE);
  });

  it('keeps none of them either when it goes in the middle of a transaction', async () => {
    for (let round = 0; round < 2 * POOL_SIZE; round++) {
      const broken = database.transaction(async (transaction) => {
        proxy.cut();
        await sleep(20);
        return ask(transaction);
      });
      await expect(broken).rejects.toThrow(/connection|ECONNRESET/i);
    }
    expect(await ask()).toEqual([{ answer: 1 }]);
  });
});

describe('a migration', () => {
  it('may take as long as it takes, where a request is given up', async () => {
    const server = await createTestDatabase();
    const limits: string[] = [];
    for (const waiting of [AS_REQUESTS_DO, UNHURRIED]) {
      const orm = await MikroORM.init({ ...ormOptions(server.url, 1, waiting), entities: [UserProfile] });
      const [row] = await orm.em
        .getConnection()
        .execute<{ statement_timeout: string }[]>('show statement_timeout');
      limits.push(String(row?.statement_timeout));
      await orm.close(true);
    }
    expect(limits).toEqual(['15s', '0']);
    await server.drop();
  });
});
