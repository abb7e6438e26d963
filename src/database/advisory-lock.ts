import { Logger } from '@nestjs/common';
import { Client, type QueryConfig } from 'pg';

/** Any numbers will do as long as nobody else uses them in this database. */
export const LOCKS = { migrations: 0x6d656469_01, sweeper: 0x6d656469_02 } as const;

const ANSWER_TIMEOUT_MS = 5_000;

/**
 * Lets PostgreSQL notice within half a minute that the machine of a holder has gone without a good-bye. Left to the
 * system, that takes two hours, in which nobody else gets the lock (PostgreSQL manual: `tcp_keepalives_idle`).
 */
const SESSION_SETTINGS =
  'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3';

/**
 * A lock that at most one process holds, on a connection of its own. PostgreSQL lets go of it when that connection
 * ends, however it ends, so a process that dies cannot keep it (PostgreSQL manual, section 13.3.5).
 */
export class AdvisoryLock {
  private readonly logger = new Logger(AdvisoryLock.name);
  private client: Client | null = null;

  constructor(
    private readonly url: string,
    private readonly key: number,
    private readonly answerTimeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  /** Waits for its turn. */
  async acquire(): Promise<void> {
    await this.connectAnd(async (client) => {
      await client.query('select pg_advisory_lock($1)', [this.key]);
      return true;
    });
  }

  /** True when this process holds the lock, now or from before; false when another one does. */
  async tryAcquire(): Promise<boolean> {
    if (this.client !== null && (await this.isAlive(this.client))) {
      return true;
    }
    return this.connectAnd(async (client) => {
      const { rows } = await client.query<{ locked: boolean }>(
        this.soon('select pg_try_advisory_lock($1) as locked', [this.key]),
      );
      return rows[0]?.locked === true;
    });
  }

  async release(): Promise<void> {
    const { client } = this;
    this.client = null;
    if (client !== null) {
      await this.end(client);
    }
  }

  private async end(client: Client): Promise<void> {
    await client
      .end()
      .catch((error: unknown) => this.logger.debug({ err: error }, 'The connection was gone already'));
  }

  /** Keeps the connection when the lock was got on it, and ends it in any other case. */
  private async connectAnd(lock: (client: Client) => Promise<boolean>): Promise<boolean> {
    const client = await this.connect();
    let locked = false;
    try {
      await client.query(this.soon(SESSION_SETTINGS));
      locked = await lock(client);
      return locked;
    } finally {
      if (locked) {
        this.client = client;
      } else {
        await this.end(client);
      }
    }
  }

  /** A connection can be gone without anybody having told us; the lock is gone with it. */
  private async isAlive(client: Client): Promise<boolean> {
    try {
      await client.query(this.soon('select 1'));
      return true;
    } catch {
      await this.release();
      return false;
    }
  }

  private async connect(): Promise<Client> {
    const client = new Client({
      connectionString: this.url,
      application_name: 'mediadock-lock',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
    });
    // A connection that breaks while it is idle reports it here; without a listener that would end the process.
    client.on('error', (error) => {
      this.logger.warn({ err: error }, 'A connection that holds a lock broke');
      if (this.client === client) {
        this.client = null;
      }
    });
    await client.connect();
    return client;
  }

  /** For what is answered at once or not at all: the wait for the lock itself has no end. */
  private soon(text: string, values: readonly number[] = []): QueryConfig {
    // The types of pg know the time-out of a client only, not that of a query.
    const query = { text, values: [...values], query_timeout: this.answerTimeoutMs };
    return query;
  }
}
