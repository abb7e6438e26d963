import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

export interface TestDatabase {
  readonly url: string;
  /** Runs a statement beside the application, as an operator would. */
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** How many of its connections wait for a lock. */
  lockWaits(): Promise<number>;
  drop(): Promise<void>;
}

/** A new, empty database on the PostgreSQL of this test run. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onServer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  return {
    url: url.href,
    query: async <Row extends object>(text: string, values: unknown[] = []) => {
      const result = await client.query<Row>(text, values);
      return result.rows;
    },
    lockWaits: async () => {
      const result = await client.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return result.rows.length;
    },
    drop: async () => {
      await client.end();
      await onServer(serverUrl, `drop database ${name} with (force)`);
    },
  };
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
