import { Logger } from '@nestjs/common';
import { evictionPolicyOf } from './eviction-policy.js';
import { type ConnectionKind, RedisConnection } from './redis-connection.js';
import { NoAnswerError, within } from '../../common/within.js';

/** In milliseconds. */
export interface Patience {
  /** How long anybody waits for an answer, which happens only when an outage begins. */
  readonly answer: number;
  /** A connection on which nothing was said for this long is taken for dead, and opened anew. */
  readonly silence: number;
}

const PATIENCE: Patience = { answer: 1_000, silence: 10_000 };
const SAFE_EVICTION_POLICY = 'noeviction';

/** Redis is known to be away. */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError';
}

/**
 * The connections of this process to Redis: what Bull works with, and what is known about whether Redis answers.
 * An outage is logged when it begins and when it is over; in between, questions fail at once.
 */
export class RedisConnections {
  private readonly logger = new Logger(RedisConnections.name);
  private readonly open: RedisConnection[] = [];
  private mainConnection: RedisConnection | null = null;
  /** Settles with the first attempt to connect, however it ends. */
  private readonly firstOutcome = Promise.withResolvers<void>();
  private readonly firstReady = Promise.withResolvers<void>();
  /** null until the first attempt to connect has ended. */
  private reachable: boolean | null = null;
  private readonly noticed = new WeakSet<Error>();
  private outageLogged = false;
  private policyChecked = false;
  private probing = false;

  /** Connects nothing yet. `connectionName` is what an operator sees in `CLIENT LIST`. */
  constructor(
    private readonly url: string,
    private readonly connectionName: string,
    private readonly patience = PATIENCE,
  ) {}

  /** The connection for commands; opened when it is first asked for. */
  get main(): RedisConnection {
    this.mainConnection ??= this.connect('client');
    return this.mainConnection;
  }

  /** True in an outage, from when it is noticed until Redis answers again. */
  get isDown(): boolean {
    return this.reachable === false;
  }

  /** True for errors of the connections themselves, which Bull passes on as its own. */
  hasNoticed(error: Error): boolean {
    return this.noticed.has(error);
  }

  /** For Bull, which asks once for each kind. */
  create(kind: ConnectionKind): RedisConnection {
    return kind === 'client' ? this.main : this.connect(kind);
  }

  /** Resolves when Redis has answered for the first time, however long that takes. */
  async whenReady(): Promise<void> {
    this.create('client');
    await this.firstReady.promise;
  }

  /**
   * Asks on behalf of somebody who waits.
   *
   * @throws RedisUnavailableError at once in an outage
   * @throws NoAnswerError after a second, when an outage begins
   */
  async ask<Answer>(question: (redis: RedisConnection) => Promise<Answer>): Promise<Answer> {
    const { main } = this;
    try {
      if (this.reachable === null) {
        await within(this.patience.answer, this.firstOutcome.promise);
      }
      if (this.reachable !== true) {
        throw new RedisUnavailableError('Redis does not answer');
      }
      return await within(this.patience.answer, question(main));
    } catch (error) {
      if (error instanceof NoAnswerError) {
        this.noticeFailure(main, error);
        void this.probe(main);
      }
      throw error;
    }
  }

  /** Ends the connections over which jobs come. Jobs that still run can be marked as done. */
  finishConsuming(): void {
    for (const connection of this.open.filter(({ kind }) => kind !== 'client')) {
      connection.retire();
    }
  }

  /** Ends all of them at once, also in the middle of an outage. */
  finish(): void {
    this.reachable = false;
    for (const connection of this.open) {
      connection.retire();
    }
  }

  private connect(kind: ConnectionKind): RedisConnection {
    const connection = new RedisConnection(this.url, kind, this.connectionName);
    connection.on('ready', () => this.noticeReady(connection));
    connection.on('error', (error: Error) => this.noticeFailure(connection, error));
    connection.on('close', () => this.noticeFailure(connection, new Error('The connection was closed')));
    this.open.push(connection);
    return connection;
  }

  private noticeReady(connection: RedisConnection): void {
    if (connection.isRetired) {
      return;
    }
    if (connection.kind === 'client') {
      this.reachable = true;
      this.firstOutcome.resolve();
      this.firstReady.resolve();
      void this.checkEvictionPolicy(connection);
    }
    this.endOutage();
  }

  private noticeFailure(connection: RedisConnection, error: Error): void {
    this.noticed.add(error);
    if (connection.isRetired) {
      return;
    }
    if (connection.kind === 'client') {
      this.reachable = false;
      this.firstOutcome.resolve();
    }
    if (!this.outageLogged) {
      this.outageLogged = true;
      this.logger.error(
        { reason: reasonOf(error), redis: new URL(this.url).host },
        'Redis does not answer: requests still succeed, and their jobs run when it is back',
      );
    }
  }

  private endOutage(): void {
    const all = this.open.every(({ isRetired, status }) => isRetired || status === 'ready');
    if (this.outageLogged && this.reachable === true && all) {
      this.outageLogged = false;
      this.logger.log('Redis answers again');
    }
  }

  /** A connection can be open and yet silent: the server hangs, or the network swallows everything. */
  private async probe(main: RedisConnection): Promise<void> {
    if (this.probing) {
      return;
    }
    this.probing = true;
    try {
      await within(this.patience.silence, main.ping());
      this.noticeReady(main);
    } catch (error) {
      if (error instanceof NoAnswerError) {
        this.reconnectAll();
      } else if (main.status === 'ready') {
        // It refused (BUSY, MISCONF), so it is there. Nothing else would tell us: a connection that stays open is never
        // `ready` again, and in an outage nobody asks.
        this.noticeReady(main);
      }
    } finally {
      this.probing = false;
    }
  }

  private reconnectAll(): void {
    for (const connection of this.open.filter(({ isRetired }) => !isRetired)) {
      connection.disconnect(true);
    }
  }

  /** A server that makes room by throwing keys away throws away jobs, or the locks that keep them from running twice. */
  private async checkEvictionPolicy(redis: RedisConnection): Promise<void> {
    if (this.policyChecked) {
      return;
    }
    this.policyChecked = true;
    const policy = await evictionPolicyOf(redis);
    if (policy !== null && policy !== SAFE_EVICTION_POLICY) {
      this.logger.warn(
        { policy },
        `Redis may evict jobs when its memory is full: set maxmemory-policy to ${SAFE_EVICTION_POLICY}`,
      );
    }
  }
}

/** Only words: what the library adds to an error are the arguments of the command, and those of AUTH are a secret. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  // A refused connection to a name with several addresses has no message, only a code.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return error.message === '' ? code : error.message;
}
