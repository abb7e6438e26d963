import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { makeDataFolder } from './data-folder.js';
import { plantSeed } from './postgres-seed.js';
import { TcpProxy } from './tcp-proxy.js';

/** A PostgreSQL of a test's own that may be stopped, killed and started again, always at the same address. */
export class TestPostgres {
  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly proxy: TcpProxy,
    private server: EmbeddedPostgres | null,
  ) {}

  static async start(): Promise<TestPostgres> {
    const folder = await makeDataFolder('postgres');
    await plantSeed(folder);
    const server = await EmbeddedPostgres.start({ dataDir: folder });
    const { proxy, url } = await TcpProxy.before(server.url);
    return new TestPostgres(url, folder, proxy, server);
  }

  /** A statement of the test's own, on a connection of its own: the server may have been another one a moment ago. */
  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: this.url });
    client.on('error', () => {});
    await client.connect();
    try {
      const { rows } = await client.query<Row>(text, values);
      return rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Every process of the server dies at once, as in a power cut. */
  async kill(): Promise<void> {
    const pidFile = join(this.folder, 'postgres', 'data', 'postmaster.pid');
    process.kill(Number.parseInt(await readFile(pidFile, 'utf8'), 10), 'SIGKILL');
    await this.stop();
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = null;
    await server?.stop();
    this.proxy.cut();
  }

  async startAgain(): Promise<void> {
    this.server = await EmbeddedPostgres.start({ dataDir: this.folder });
    this.proxy.retarget(Number(new URL(this.server.url).port));
  }

  /** Takes every connection away; the server itself goes on. */
  cutConnections(): void {
    this.proxy.cut();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.proxy.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
