import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { escapeIdentifier } from 'pg';
import { locateServerPackage, prepareBinaries } from './embedded-binaries.js';
import { prepareCluster, recoverCluster } from './embedded-cluster.js';
import { OwnerLock, readLiveOwner } from './embedded-owner.js';
import { basesForBinaries, basesForData, clusterOf, findPlace, prepareDataDir } from './embedded-place.js';
import { DataFolderInUseError, EmbeddedPostgresError } from './embedded-postgres.errors.js';
import { ServerProcess, withClient } from './embedded-server.js';

const logger = new Logger('EmbeddedPostgres');
const DEFAULT_DATABASE = 'mediadock';
const ATTACH_POLL_MS = 100;
const ATTACH_TIMEOUT_MS = 120_000;

export interface EmbeddedPostgresOptions {
  /** Absolute path of `DATA_DIR`; created when missing. */
  readonly dataDir: string;
  /** Created when missing. Default: `mediadock`. */
  readonly databaseName?: string;
}

/**
 * A real PostgreSQL server that belongs to this process: started with it, stopped with it, its data below the data
 * folder or, when root's PostgreSQL cannot reach that, where `DATA_DIR/postgres.location` says.
 */
export class EmbeddedPostgres {
  /** `postgres://user:password@127.0.0.1:port/database` */
  readonly url: string;
  readonly #server: ServerProcess;
  readonly #lock: OwnerLock;
  #stopping: Promise<void> | null = null;

  private constructor(server: ServerProcess, lock: OwnerLock, url: string) {
    this.#server = server;
    this.#lock = lock;
    this.url = url;
    void this.#reportLoss();
  }

  /**
   * Recovers what an earlier process left behind, and makes what is missing.
   *
   * @throws DataFolderInUseError while another process runs the server of this folder.
   * @throws EmbeddedPostgresError when it cannot be run here; the message says what to do.
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const packageDir = locateServerPackage();
    const dataDir = await prepareDataDir(options.dataDir);
    const lock = await OwnerLock.acquire(dataDir);
    try {
      const server = await startServer(packageDir, dataDir, lock);
      try {
        const url = await ensureDatabase(server.baseUrl, options.databaseName);
        await lock.publish(server.port, url);
        return new EmbeddedPostgres(server, lock, url);
      } catch (error) {
        await server.stop();
        throw error;
      }
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Disconnects every client and resolves when the server has gone. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#shutDown();
    return this.#stopping;
  }

  async #shutDown(): Promise<void> {
    await this.#server.stop();
    await this.#lock.release();
  }

  async #reportLoss(): Promise<void> {
    await this.#server.exit;
    if (this.#stopping === null) logger.error('PostgreSQL ended unexpectedly; see its postgres.log');
  }
}

/**
 * For command-line tools: uses the server that a running Mediadock has started for this data folder; without one,
 * starts it and stops it on release.
 */
export async function attachOrStart(
  options: EmbeddedPostgresOptions,
): Promise<{ url: string; release(): Promise<void> }> {
  const dataDir = await prepareDataDir(options.dataDir);
  const deadline = performance.now() + ATTACH_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const owner = await readLiveOwner(dataDir);
    if (owner?.url) {
      const url = await ensureDatabase(owner.url, options.databaseName);
      return { url, release: async () => undefined };
    }
    if (owner === null) {
      const started = await startUnlessTaken(options);
      if (started !== null) return { url: started.url, release: () => started.stop() };
    }
    await sleep(ATTACH_POLL_MS);
  }
  throw new EmbeddedPostgresError(`The Mediadock that uses ${dataDir} has not started its database.`);
}

async function startServer(packageDir: string, dataDir: string, lock: OwnerLock): Promise<ServerProcess> {
  const place = await findPlace(dataDir, basesForData(dataDir));
  const binaries = await prepareBinaries(packageDir, place.account, basesForBinaries(dataDir));
  const cluster = clusterOf(place.area);
  await lock.assertHeld();
  const password = await prepareCluster(binaries, place);
  await recoverCluster(cluster);
  await lock.assertHeld();
  return ServerProcess.start({
    postgres: binaries.postgres,
    cluster,
    account: place.account,
    password,
    logFile: join(place.area, 'postgres.log'),
  });
}

/** @returns the URL of the database, which is created when missing. */
async function ensureDatabase(serverUrl: string, name = DEFAULT_DATABASE): Promise<string> {
  await withClient(new URL('/postgres', serverUrl).href, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`);
  });
  return new URL(`/${encodeURIComponent(name)}`, serverUrl).href;
}

async function startUnlessTaken(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres | null> {
  try {
    return await EmbeddedPostgres.start(options);
  } catch (error) {
    if (error instanceof DataFolderInUseError) return null;
    throw error;
  }
}
