import { Socket } from 'node:net';
import { type Options, PostgreSqlDriver } from '@mikro-orm/postgresql';
import { Migrator } from '@mikro-orm/migrations';
import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import type { Client } from 'pg';
import { M0001InitialSchema } from './migrations/m0001-initial-schema.js';
import { M0002IdempotencyKeys } from './migrations/m0002-idempotency-keys.js';

/** In the order in which they run. Listed, never found by a glob; a name that has run anywhere never changes. */
export const MIGRATIONS = [
  { name: 'm0001-initial-schema', class: M0001InitialSchema },
  { name: 'm0002-idempotency-keys', class: M0002IdempotencyKeys },
] as const;

/** A query that waits longer than this for a connection or a lock is a fault to report, not something to sit out. */
const CONNECTION_TIMEOUT_MS = 5_000;
/** Shorter than the silence of requests, so that only connections at work live to see that. */
const IDLE_TIMEOUT_MS = 15_000;

/** How long a connection waits, in milliseconds; 0 waits for ever. */
export interface Waiting {
  /** For one statement: PostgreSQL then gives it up. */
  readonly statement: number;
  /** For anything at all: the connection is then closed. */
  readonly silence: number;
}

/** Requests. Silence for longer than PostgreSQL takes to give up by itself says that it has gone without a good-bye. */
export const AS_REQUESTS_DO: Waiting = { statement: 15_000, silence: 20_000 };
/** Commands of an operator, whose statements may go through everything there is. */
export const AS_COMMANDS_DO: Waiting = { ...AS_REQUESTS_DO, silence: 0 };
/** Migrations. */
export const UNHURRIED: Waiting = { statement: 0, silence: 0 };

/**
 * What every connection is told first, in one round trip.
 *
 * Sequential scans are off because plans are kept: one made for a table of fifty rows, where reading all of it is cheapest,
 * would go on reading all of it while the table grows, until the next ANALYZE. Every statement but the operator's look at
 * everything (`QuotaReconciler`) has an index to go by.
 */
const sessionSettings = ({ statement }: Waiting) =>
  `set statement_timeout = ${statement}; set enable_seqscan = off`;

/**
 * What every MikroORM of this project has in common; entities and migrations are listed, never found by a glob.
 */
export function ormOptions(url: string, poolSize: number, waiting = AS_REQUESTS_DO): Options {
  return {
    driver: PostgreSqlDriver,
    clientUrl: url,
    metadataProvider: ReflectMetadataProvider,
    extensions: [Migrator],
    forceUtcTimezone: true,
    pool: { min: 0, max: poolSize, idleTimeoutMillis: IDLE_TIMEOUT_MS },
    driverOptions: {
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      application_name: 'mediadock',
      keepAlive: true,
      // A statement, not a parameter of the start-up packet: PgBouncer refuses connections that bring one it does not know.
      onConnect: async (client: Client) => {
        closeWhenSilent(client, waiting.silence);
        await client.query(sessionSettings(waiting));
      },
    },
    // Queries carry what users send; the request log says enough.
    debug: false,
    migrations: {
      tableName: 'mikro_orm_migrations',
      migrationsList: [...MIGRATIONS],
      snapshot: false,
      silent: true,
    },
  };
}

/**
 * Whoever waits on a connection that is closed is told, and the pool opens a new one. The system would go on sending into the
 * void for a quarter of an hour (tcp(7): `tcp_retries2`), and a few of those are a whole pool. `query_timeout` of `pg` only
 * tells who waits: the ORM then gives the connection back to the pool as if it were of use.
 */
function closeWhenSilent({ connection: { stream } }: Client, silenceMs: number): void {
  if (stream instanceof Socket) {
    stream.setTimeout(silenceMs, () => stream.destroy(new Error('PostgreSQL says nothing any more')));
  }
}
