import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ownPort } from './own-port.js';

export interface TestRedisOptions {
  /** Further arguments of `redis-server`. */
  readonly args?: readonly string[];
  readonly password?: string;
  /** PEM files; the server then speaks TLS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** True for a test that stops its Redis: never the one of `TEST_REDIS_URL`. */
  readonly own?: boolean;
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** The server stops to answer, with its connections open: what a hanging machine looks like. */
  pause(): void;
  resume(): void;
  /** The server is killed. What it had not written to disk (by default, everything) is gone. */
  stop(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

const PROGRAMS = ['redis-server', 'valkey-server'];
const NO_REDIS =
  'The tests need a Redis: set TEST_REDIS_URL to one that they may write to, put redis-server or valkey-server on the PATH, or run them as root on Debian or Ubuntu, where they install it themselves.';

/**
 * A real Redis, from the first of these that there is: `TEST_REDIS_URL`; a server program on the PATH; one that is
 * installed with apt-get. A test that needs options, or stops its Redis, always gets a server of its own.
 */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const given = process.env['TEST_REDIS_URL'];
  const { own = false, args = [], password, tls } = options;
  if (given && !own && args.length === 0 && password === undefined && tls === undefined) {
    return externalRedis(given);
  }
  const program = findProgram() ?? (await installProgram());
  const folder = await mkdtemp(join(tmpdir(), 'mediadock-redis-'));
  const server = new RedisServer(program, folder, await ownPort(), options);
  await server.start();
  return server;
}

function refuse(): never {
  throw new Error('The Redis of TEST_REDIS_URL is not ours to stop: ask for a server with { own: true }');
}

function externalRedis(url: string): TestRedis {
  return {
    url,
    port: Number(new URL(url).port || 6379),
    pause: refuse,
    resume: refuse,
    stop: async () => refuse(),
    start: async () => refuse(),
    close: async () => {},
  };
}

class RedisServer implements TestRedis {
  readonly url: string;
  private child: ChildProcess | null = null;

  constructor(
    private readonly program: string,
    private readonly folder: string,
    readonly port: number,
    private readonly options: TestRedisOptions,
  ) {
    const { tls, password } = options;
    const credentials = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    this.url = `${tls === undefined ? 'redis' : 'rediss'}://${credentials}127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const child = spawn(this.program, this.args(), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const takeAlong = (): boolean => child.kill('SIGKILL');
    process.once('exit', takeAlong);
    child.once('exit', () => process.off('exit', takeAlong));
    let output = '';
    await new Promise<void>((resolve, reject) => {
      const listen = (chunk: Buffer): void => {
        output += chunk.toString();
        if (/ready to accept connections/i.test(output)) {
          resolve();
        }
      };
      child.stdout.on('data', listen);
      child.stderr.on('data', listen);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`Redis did not start:\n${output}`)));
    });
  }

  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child !== null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private args(): string[] {
    const { tls, password, args = [] } = this.options;
    const place = ['--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--databases', '64'];
    return [
      ...place,
      ...(tls === undefined
        ? ['--port', String(this.port)]
        : ['--port', '0', '--tls-port', String(this.port), '--tls-auth-clients', 'no']),
      ...(tls === undefined
        ? []
        : ['--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-ca-cert-file', tls.cert]),
      ...(password === undefined ? [] : ['--requirepass', password]),
      ...args,
    ];
  }
}

function findProgram(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const paths = folders.flatMap((folder) => PROGRAMS.map((program) => join(folder, program)));
  return paths.find((path) => existsSync(path)) ?? null;
}

const POLICY_FILE = '/usr/sbin/policy-rc.d';

async function installProgram(): Promise<string> {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(NO_REDIS);
  }
  // Debian starts what it installs, unless this file forbids it; and it would start with the machine from then on.
  const forbid = !existsSync(POLICY_FILE);
  if (forbid) {
    await writeFile(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  }
  try {
    if (!aptGet('install', '-y', 'redis-server')) {
      aptGet('update');
      aptGet('install', '-y', 'redis-server');
    }
  } finally {
    if (forbid) {
      await rm(POLICY_FILE);
    }
  }
  spawnSync('systemctl', ['disable', 'redis-server'], { stdio: 'ignore' });
  const program = findProgram();
  if (program === null) {
    throw new Error(NO_REDIS);
  }
  return program;
}

/** Waits for its turn when another test run is installing, too. */
function aptGet(...args: string[]): boolean {
  const { status } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: 'ignore',
  });
  return status === 0;
}
