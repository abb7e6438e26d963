import { join } from 'node:path';
import { ApiClient } from '../support/api-client.js';
import { filesBelow } from '../support/files-below.js';
import { photo } from '../support/images.js';
import { Installation, type ServerProcess } from '../support/installation.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';
import { Probes } from './probes.js';
import { VitalSigns } from './vital-signs.js';

const GIBIBYTE = 1024 ** 3;
const PROBE_USER = 'probe';

/** A real server process on the local disk, looked at from outside. */
export class Stage {
  readonly vitals: VitalSigns;
  private readonly probing: Probes[] = [];

  private constructor(
    readonly server: ServerProcess,
    private readonly installation: Installation,
    readonly database: TestDatabase,
  ) {
    this.vitals = new VitalSigns(server.pid);
  }

  static async open(): Promise<Stage> {
    const database = await createTestDatabase();
    const installation = await Installation.create({
      DATABASE_URL: database.url,
      JWT_SECRET: TEST_SECRET,
      LOG_LEVEL: 'warn',
      QUOTA_BYTES: String(100 * GIBIBYTE),
      RATE_LIMIT_PER_MINUTE: '100000000',
    });
    const started = await installation.start().catch(async (error: unknown) => {
      await database.drop();
      await installation.remove();
      throw error;
    });
    const stage = new Stage(started, installation, database);
    await stage.warmUp();
    return stage;
  }

  get port(): number {
    return this.installation.port;
  }

  get objectsFolder(): string {
    return join(this.installation.dataDir, 'objects');
  }

  as(subject: string): ApiClient {
    return new ApiClient(this.installation.baseUrl, tokenFor(subject));
  }

  /** Ordinary requests from now on, until they are stopped. */
  async probe(): Promise<Probes> {
    const probes = new Probes(this.as(PROBE_USER), await photo(320, 240));
    this.probing.push(probes);
    return probes;
  }

  /** Uploads that are being received, or copies that are being made. */
  async temporaryFiles(): Promise<string[]> {
    return filesBelow(join(this.objectsFolder, 'tmp'));
  }

  /** What lies in the uploads area, the metadata included. */
  async uploadedFiles(): Promise<string[]> {
    return filesBelow(join(this.objectsFolder, 'uploads'));
  }

  /** Objects and temporary files that the server has open. */
  async openObjects(): Promise<string[]> {
    return this.vitals.openFilesBelow(this.objectsFolder);
  }

  async close(): Promise<void> {
    await Promise.all(this.probing.map((probes) => probes.stop()));
    if (!this.server.exited) {
      await this.server.end('SIGTERM');
    }
    await this.database.drop();
    await this.installation.remove();
  }

  /** What is loaded, compiled and connected with the first requests is no cost of those that are measured. */
  private async warmUp(): Promise<void> {
    const client = this.as(PROBE_USER);
    const { body } = await client.uploadDirect(await photo(320, 240), 'image/jpeg');
    await client.settled(body.id);
    await Promise.all(Array.from({ length: 20 }, () => client.quota()));
  }
}
