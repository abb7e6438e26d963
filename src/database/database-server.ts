import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { AppConfig } from '../config/app-config.js';
import { attachOrStart, EmbeddedPostgres } from './embedded/embedded-postgres.js';

/** `own`: this process is the server's. `attach`: a command that may run beside it. */
export type DatabaseServerMode = 'own' | 'attach';

/**
 * The PostgreSQL that this process talks to: somebody else's by URL, or the embedded one, which lives and dies with
 * the process that started it.
 */
@Injectable()
export class DatabaseServer implements OnApplicationShutdown {
  private constructor(
    readonly url: string,
    /** For what must stay on one connection: advisory locks, notifications. The same as `url` unless a pooler is in between. */
    readonly directUrl: string,
    private readonly close: () => Promise<void>,
  ) {}

  static async open(config: AppConfig, mode: DatabaseServerMode): Promise<DatabaseServer> {
    const { dataDir } = config;
    const { url, directUrl } = config.database;
    if (url !== null) {
      return new DatabaseServer(url, directUrl ?? url, async () => {});
    }
    if (mode === 'attach') {
      const attached = await attachOrStart({ dataDir });
      return new DatabaseServer(attached.url, attached.url, () => attached.release());
    }
    const embedded = await EmbeddedPostgres.start({ dataDir });
    new Logger(DatabaseServer.name).log('Embedded PostgreSQL is up');
    return new DatabaseServer(embedded.url, embedded.url, () => embedded.stop());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }
}
