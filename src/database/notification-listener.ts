import { Logger } from '@nestjs/common';
import { Client } from 'pg';

/** A half-open connection is noticed some ten seconds later than this; the system's own default is two hours. */
const KEEP_ALIVE_AFTER_MS = 10_000;
const ANSWER_TIMEOUT_MS = 5_000;

export interface Listening {
  notified(payload: string): void;
  /** From now on nothing is missed, and until now anything may have been. */
  connected(): void;
  /** It broke, so that from now on anything is missed. */
  lost(): void;
}

/**
 * Hears what is said on one channel (PostgreSQL manual: LISTEN), on a connection of its own for all of the process.
 * That one has to be direct: a pooler in transaction mode would lend the session that listens to somebody else.
 *
 * Tries once whenever it is told to open; whoever needs it decides how often.
 */
export class NotificationListener {
  private readonly logger = new Logger(NotificationListener.name);
  private client: Client | null = null;
  private connecting = false;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly channel: string,
    private readonly listening: Listening,
  ) {}

  get isListening(): boolean {
    return this.client !== null;
  }

  /** Connects, unless it is connected or about to be. What comes of it is told to `Listening`. */
  open(): void {
    if (this.client === null && !this.connecting && !this.closed) {
      void this.connect();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    const { client } = this;
    this.client = null;
    if (client !== null) {
      await this.end(client);
    }
  }

  private async connect(): Promise<void> {
    this.connecting = true;
    const client = this.newClient();
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(this.channel)}`);
    } catch (error) {
      this.connecting = false;
      this.logger.warn({ err: error }, 'No notifications: the connection for them could not be opened');
      await this.end(client);
      return;
    }
    this.connecting = false;
    if (this.closed) {
      await this.end(client);
      return;
    }
    this.client = client;
    this.listening.connected();
  }

  private newClient(): Client {
    const client = new Client({
      connectionString: this.url,
      application_name: 'mediadock-listen',
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    });
    client.on('notification', ({ payload = '' }) => this.listening.notified(payload));
    // A connection that breaks while it is idle reports it here; without a listener that would end the process.
    client.on('error', (error) => this.forget(client, error));
    client.on('end', () => this.forget(client, null));
    return client;
  }

  private forget(client: Client, error: Error | null): void {
    if (this.client === client) {
      this.client = null;
      this.logger.warn({ err: error }, 'The connection for notifications broke');
      this.listening.lost();
    }
  }

  private async end(client: Client): Promise<void> {
    await client
      .end()
      .catch((error: unknown) => this.logger.debug({ err: error }, 'The connection was gone already'));
  }
}
