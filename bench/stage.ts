import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { freePort } from '../src/common/free-port.js';
import { EmbeddedPostgres } from '../src/database/embedded/embedded-postgres.js';
import { type Gcs, startGcs } from '../test/support/gcs/start-gcs.js';
import { startRedis, type TestRedis } from '../test/support/redis.js';
import { START_COMMAND } from '../test/support/start-command.js';
import { TEST_SECRET } from '../test/support/tokens.js';
import { ChildServer } from './child-server.js';

const run = promisify(execFile);
const DIST = join(import.meta.dirname, '..');
const MAIN = join(DIST, 'src', 'main.js');

/** Connections to PostgreSQL, of the service and of the floor alike. */
const POOL_SIZE = '10';

/** Everything that takes part: one PostgreSQL, a database for the service and one for the floor, Redis, and processes. */
export class Stage {
  private readonly started: ChildServer[] = [];

  private constructor(
    private readonly folder: string,
    private readonly nodeOptions: string,
    private readonly postgres: EmbeddedPostgres,
    readonly postgresPid: number,
    private readonly redis: TestRedis,
    /** Null when it is not a process of this machine. */
    readonly redisPid: number | null,
    private readonly gcs: Gcs,
    /** Of the service's database. */
    readonly client: Client,
    /** Of the floor's database. */
    readonly floorClient: Client,
  ) {}

  /** @param nodeOptions for the processes of the service */
  static async open(nodeOptions: string): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'mediadock-bench-'));
    // Run by root, PostgreSQL works as another user, who has to get in here.
    await chmod(folder, 0o755);
    const [postgres, redis, gcs] = await Promise.all([
      EmbeddedPostgres.start({ dataDir: folder }),
      startRedis(),
      startGcs(),
    ]);
    const pidFile = await readFile(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8');
    const client = await connect(postgres.url);
    await client.query('create database floor');
    const floorClient = await connect(floorUrl(postgres));
    for (const url of [postgres.url, floorUrl(postgres)]) {
      await run(process.execPath, [join(DIST, 'src', 'cli', 'migrate.js')], {
        env: { ...process.env, DATABASE_URL: url, DATA_DIR: folder },
      });
    }
    const postgresPid = Number.parseInt(pidFile, 10);
    const redisPid = await pidOf(redis);
    return new Stage(folder, nodeOptions, postgres, postgresPid, redis, redisPid, gcs, client, floorClient);
  }

  /** A process of the service. What is not said here is as it comes: token checks, quota, validation, the request log. */
  async service(name: string, environment: Record<string, string>): Promise<ChildServer> {
    const port = await freePort();
    const dataDir = join(this.folder, 'service');
    await mkdir(dataDir, { recursive: true });
    return this.start({
      name,
      script: MAIN,
      nodeOptions: START_COMMAND.nodeOptions,
      origin: `http://127.0.0.1:${port}`,
      readyPath: '/health/ready',
      environment: {
        NODE_ENV: 'production',
        ...START_COMMAND.environment,
        HOST: '127.0.0.1',
        PORT: String(port),
        PUBLIC_BASE_URL: `http://127.0.0.1:${port}`,
        DATA_DIR: dataDir,
        DATABASE_URL: this.postgres.url,
        DATABASE_POOL_SIZE: POOL_SIZE,
        REDIS_URL: this.redis.url,
        STORAGE_DRIVER: 'local',
        ALLOW_EMBEDDED: 'true',
        JWT_SECRET: TEST_SECRET,
        RATE_LIMIT_PER_MINUTE: '1000000',
        NODE_OPTIONS: this.nodeOptions,
        ...environment,
      },
    });
  }

  /** What the service has to be told to sign URLs for Google Cloud Storage: with the RSA key of its account, or an HMAC key. */
  gcsEnvironment(key: 'rsa' | 'hmac'): Record<string, string> {
    const environment = { ...this.gcs.environment, ...(key === 'hmac' && this.gcs.hmacEnvironment) };
    return Object.fromEntries(
      Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    );
  }

  get gcsCredentialsFile(): string {
    return this.gcs.credentialsFile;
  }

  async floor(environment: Record<string, string> = {}): Promise<ChildServer> {
    const port = await freePort();
    const objects = join(this.folder, 'floor');
    await mkdir(objects, { recursive: true });
    return this.start({
      name: 'floor',
      script: join(DIST, 'bench', 'floor', 'server.js'),
      origin: `http://127.0.0.1:${port}`,
      readyPath: '/ready',
      environment: {
        PORT: String(port),
        DATABASE_URL: floorUrl(this.postgres),
        DATABASE_POOL_SIZE: POOL_SIZE,
        OBJECTS_DIR: objects,
        ...environment,
      },
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.started.map((server) => server.stop()));
    await Promise.all([this.client.end(), this.floorClient.end()]);
    await Promise.all([this.postgres.stop(), this.redis.close(), this.gcs.close()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async start(
    options: Omit<Parameters<typeof ChildServer.start>[0], 'logFile'>,
  ): Promise<ChildServer> {
    const logFile = join(this.folder, `${options.name}.log`);
    const server = await ChildServer.start({ ...options, logFile });
    this.started.push(server);
    return server;
  }
}

function floorUrl({ url }: EmbeddedPostgres): string {
  const floor = new URL(url);
  floor.pathname = '/floor';
  return floor.href;
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

async function pidOf({ url }: TestRedis): Promise<number | null> {
  const redis = new Redis(url);
  const pid = Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1]);
  redis.disconnect();
  return existsSync(`/proc/${pid}`) ? pid : null;
}
