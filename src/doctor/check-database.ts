import { Client } from 'pg';
import type { AppConfig } from '../config/app-config.js';
import { attachOrStart } from '../database/embedded/embedded-postgres.js';
import { MIGRATIONS } from '../database/orm-options.js';
import { type Finding, ok, problem, reasonOf, warning } from './finding.js';

const CHECK = 'database';
const OLDEST_VERSION = 14;
const CONNECT_TIMEOUT_MS = 5_000;
/** Connections that one process needs beside its pool: the sweeper's lock, and the migrations' or later the listener's. */
const EXTRA_CONNECTIONS = 2;

/** Reachable, recent enough, migrated, with enough connections for us. */
export async function checkDatabase(config: AppConfig): Promise<Finding[]> {
  const server = config.database.url === null ? await attachOrStart({ dataDir: config.dataDir }) : null;
  const client = new Client({
    connectionString: server?.url ?? config.database.url ?? undefined,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  try {
    await client.connect();
    return [
      ...(await checkDirect(config)),
      await checkVersion(client),
      await checkMigrations(client),
      await checkConnections(client, config),
    ];
  } catch (error) {
    return [
      problem(
        CHECK,
        `PostgreSQL cannot be reached: ${reasonOf(error)}`,
        'Check DATABASE_URL, the server and the network between',
      ),
    ];
  } finally {
    await client.end().catch(() => undefined);
    await server?.release();
  }
}

/** A pooler in transaction mode would hand the connection that has a lock, or listens, to somebody else. */
async function checkDirect({ database }: AppConfig): Promise<Finding[]> {
  if (database.directUrl === null || database.directUrl === database.url) {
    return [];
  }
  const client = new Client({
    connectionString: database.directUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  try {
    await client.connect();
    return [ok(CHECK, 'The way around the pooler answers')];
  } catch (error) {
    return [
      problem(
        CHECK,
        `PostgreSQL cannot be reached around the pooler: ${reasonOf(error)}`,
        'Check DATABASE_DIRECT_URL: migrations and the sweeper need it for their locks, requests that wait for a file to be woken',
      ),
    ];
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function checkVersion(client: Client): Promise<Finding> {
  const version = Number(await single(client, "select current_setting('server_version_num')::int / 10000"));
  return version >= OLDEST_VERSION
    ? ok(CHECK, `PostgreSQL ${version} answers`)
    : problem(CHECK, `PostgreSQL ${version} is too old`, `Upgrade the server to ${OLDEST_VERSION} or newer`);
}

async function checkMigrations(client: Client): Promise<Finding> {
  const known = MIGRATIONS.map(({ name }) => name);
  const table = await single(client, "select to_regclass('mikro_orm_migrations')");
  const { rows } =
    table === null
      ? { rows: [] }
      : await client.query<{ name: string }>('select name from mikro_orm_migrations');
  const done = new Set(rows.map(({ name }) => name));
  const missing = known.filter((name) => !done.has(name));
  return missing.length === 0
    ? ok(CHECK, 'The schema is up to date')
    : problem(
        CHECK,
        `Migrations have not run: ${missing.join(', ')}`,
        'Run "npm run migrate", or start Mediadock once',
      );
}

async function checkConnections(client: Client, config: AppConfig): Promise<Finding> {
  const allowed = Number(await single(client, "select current_setting('max_connections')::int"));
  const wanted = config.database.poolSize + EXTRA_CONNECTIONS;
  return wanted <= allowed
    ? ok(CHECK, `${allowed} connections are allowed, one process of ours takes at most ${wanted}`)
    : warning(
        CHECK,
        `Only ${allowed} connections are allowed, and one process of ours may take ${wanted}`,
        'Lower DATABASE_POOL_SIZE, raise max_connections, or put PgBouncer in between',
      );
}

async function single(client: Client, query: string): Promise<unknown> {
  const { rows } = await client.query<unknown[]>({ text: query, rowMode: 'array' });
  return rows[0]?.[0] ?? null;
}
