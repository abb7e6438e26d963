import type { RawEnvironment } from '../../src/config/parse-environment.js';
import { ApiClient, until } from './api-client.js';
import { type Gcs, startGcs } from './gcs/start-gcs.js';
import { Installation, type ServerProcess } from './installation.js';
import { startRedis, type TestRedis } from './redis.js';
import { TestPostgres } from './test-postgres.js';
import { TEST_SECRET, tokenFor } from './tokens.js';

/** A supervisor has more patience than any outage of a test lasts. */
const START_TIMEOUT_MS = 120_000;

export interface ClusterOptions {
  readonly apis: number;
  readonly workers: number;
  readonly environment?: Record<string, string>;
}

/** What an installation of several machines is made of, on this one: every part a real process that can be taken down. */
export class Cluster {
  readonly apis: readonly Member[];
  readonly workers: readonly Member[];

  private constructor(
    readonly postgres: TestPostgres,
    readonly redis: TestRedis,
    readonly gcs: Gcs,
    members: { apis: readonly Member[]; workers: readonly Member[] },
  ) {
    this.apis = members.apis;
    this.workers = members.workers;
  }

  /** Starts all of it, the members at the same moment, on an empty database. */
  static async start({ apis, workers, environment = {} }: ClusterOptions): Promise<Cluster> {
    const [postgres, gcs, redis] = await Promise.all([
      TestPostgres.start(),
      startGcs(),
      // What Redis has taken must outlive its process, as it does in production.
      startRedis({ own: true, args: ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'] }),
    ]);
    const shared: RawEnvironment = {
      ...gcs.environment,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      JWT_SECRET: TEST_SECRET,
      RATE_LIMIT_PER_MINUTE: '1000000',
      ...environment,
    };
    const members = async (count: number, role: 'api' | 'worker') =>
      Promise.all(Array.from({ length: count }, async () => Member.create({ ...shared, ROLE: role })));
    const cluster = new Cluster(postgres, redis, gcs, {
      apis: await members(apis, 'api'),
      workers: await members(workers, 'worker'),
    });
    try {
      await Promise.all(cluster.members.map((member) => member.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  get members(): readonly Member[] {
    return [...this.apis, ...this.workers];
  }

  /** Signed in as this subject, at one of the APIs. */
  as(subject: string, api = 0): ApiClient {
    return new ApiClient(this.apis[api % this.apis.length]?.baseUrl ?? '', tokenFor(subject));
  }

  /** Every object that has bytes, as `<area>/<key>`. */
  objects(): string[] {
    return (['uploads', 'media'] as const).flatMap((area) =>
      this.gcs.objects(area).map((key) => `${area}/${key}`),
    );
  }

  /** Ends the members gently. @returns those that did not go as they should, with their exit codes */
  async stopMembers(): Promise<string[]> {
    const codes = await Promise.all(this.members.map((member) => member.stop()));
    return codes.flatMap((code, index) => (code === 0 || code === null ? [] : [`member ${index}: ${code}`]));
  }

  async close(): Promise<void> {
    await this.stopMembers();
    await Promise.all(this.members.map((member) => member.remove()));
    await this.gcs.close();
    await this.redis.close();
    await this.postgres.close();
  }
}

/** One process of a cluster, and the ones that come after it at the same address. */
export class Member {
  /** What all its lives have printed. */
  private readonly past: ServerProcess[] = [];
  /** Ends that nobody asked for, of processes that had been up. */
  readonly crashes: string[] = [];
  private readonly ending = new Set<ServerProcess>();

  private constructor(
    private readonly installation: Installation,
    readonly role: string,
  ) {}

  static async create(environment: RawEnvironment): Promise<Member> {
    return new Member(await Installation.create(environment), environment['ROLE'] ?? 'all');
  }

  get baseUrl(): string {
    return this.installation.baseUrl;
  }

  get output(): string {
    return this.past.map(({ output }) => output).join('');
  }

  get isRunning(): boolean {
    return this.current?.exited === false;
  }

  async start(): Promise<void> {
    const server = await this.installation.start();
    this.past.push(server);
    void this.watch(server);
  }

  /** Starts it as a supervisor would: again and again, while a part that it cannot start without is down. */
  async startUntilUp(): Promise<void> {
    await until(
      async () =>
        this.start().then(
          () => true,
          () => null,
        ),
      `${this.role} to come up`,
      START_TIMEOUT_MS,
    );
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** @returns its exit code; null when it was not running */
  async stop(): Promise<number | string | null> {
    return this.isRunning ? this.end('SIGTERM') : null;
  }

  pause(): void {
    this.current?.signal('SIGSTOP');
  }

  resume(): void {
    this.current?.signal('SIGCONT');
  }

  /** The sum of a metric over all its label sets that have these labels; 0 when it has none. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const text = await (await fetch(`${this.baseUrl}/metrics`)).text();
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  async remove(): Promise<void> {
    await this.installation.remove();
  }

  private async watch(server: ServerProcess): Promise<void> {
    const code = await server.ended;
    if (!this.ending.has(server)) {
      this.crashes.push(`${this.role} ended with ${code}: ${server.output.slice(-500)}`);
    }
  }

  private async end(signal: NodeJS.Signals): Promise<number | string | null> {
    const server = this.current;
    if (server === undefined) {
      return null;
    }
    this.ending.add(server);
    return server.end(signal);
  }

  private get current(): ServerProcess | undefined {
    return this.past.at(-1);
  }
}
