import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { open, readFile, rename, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../../common/free-port.js';
import { spawnOptions } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import { ROLE } from './embedded-cluster.js';
import { messageOf } from './embedded-files.js';
import { EmbeddedPostgresError } from './embedded-postgres.errors.js';
import { shutDown } from './embedded-process.js';

const ATTEMPTS = 20;
const POLL_MS = 25;
const STILL_IN_USE_PAUSE_MS = 500;
/** Recovery after a crash replays at most a few checkpoints' worth of log; this is far beyond it. */
const READY_TIMEOUT_MS = 120_000;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 2_000;
const PRIVATE_FILE = 0o600;
/** PostgreSQL's words for a port that somebody else took. */
const PORT_TAKEN = 'could not create any TCP/IP sockets';
/** And for a killed server whose last sessions have not noticed yet. */
const STILL_IN_USE = 'is still in use';

export interface ServerSpec {
  readonly postgres: string;
  readonly cluster: string;
  readonly account: Account;
  readonly password: string;
  readonly logFile: string;
  /** Another answer each time; for tests. */
  readonly pickPort?: () => Promise<number>;
}

/** A PostgreSQL server that is our child, but in a process group of its own. */
export class ServerProcess {
  /** With the password, up to the port; append a database's name. */
  readonly baseUrl: string;
  readonly port: number;
  readonly #child: ChildProcess;
  #exited = false;
  readonly #onExit: Promise<void>;
  readonly #interrupt = () => void this.#child.kill('SIGINT');

  private constructor(child: ChildProcess, port: number, password: string) {
    this.#child = child;
    this.port = port;
    this.baseUrl = `postgres://${ROLE}:${password}@127.0.0.1:${port}/`;
    this.#onExit = new Promise((resolve) => {
      const settle = () => {
        this.#exited = true;
        process.off('exit', this.#interrupt);
        resolve();
      };
      child.once('exit', settle);
      // A program that cannot be started never exits.
      child.on('error', () => child.pid === undefined && settle());
    });
    // The last resort for process.exit(): nothing asynchronous runs any more then.
    process.on('exit', this.#interrupt);
  }

  /** Starts the server and waits until it answers. */
  static async start(spec: ServerSpec): Promise<ServerProcess> {
    for (let attempt = 1; ; attempt++) {
      const { server, logStart } = await ServerProcess.#launch(spec);
      try {
        await server.#waitUntilReady(spec.cluster);
        return server;
      } catch (cause) {
        await server.stop();
        const tail = await readTail(spec.logFile, logStart);
        if (attempt < ATTEMPTS && tail.includes(PORT_TAKEN)) continue;
        if (attempt < ATTEMPTS && tail.includes(STILL_IN_USE)) {
          await sleep(STILL_IN_USE_PAUSE_MS);
          continue;
        }
        const message = `PostgreSQL did not start: ${messageOf(cause)}. Its log, ${spec.logFile}, ends:\n${tail}`;
        throw new EmbeddedPostgresError(message, { cause });
      }
    }
  }

  /**
   * In its own process group, so that Ctrl-C in a terminal, or a signal to the whole group, does not reach it before
   * Mediadock has drained. Its log is a file, not a pipe: writing to one whose reader died would kill it.
   */
  static async #launch(spec: ServerSpec): Promise<{ server: ServerProcess; logStart: number }> {
    const port = await (spec.pickPort ?? freePort)();
    const log = await openLog(spec.logFile, spec.account);
    try {
      const logStart = (await log.stat()).size;
      const child = spawn(spec.postgres, argumentsFor(spec.cluster, port), {
        ...spawnOptions(spec.account),
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      return { server: new ServerProcess(child, port, spec.password), logStart };
    } finally {
      await log.close();
    }
  }

  /** Resolves when the server has gone, for whatever reason. */
  get exit(): Promise<void> {
    return this.#onExit;
  }

  /** Resolves when it has gone. */
  async stop(): Promise<void> {
    const stopped = await shutDown(
      (signal) => void this.#child.kill(signal),
      () => this.#exited,
    );
    if (!stopped) throw new EmbeddedPostgresError(`PostgreSQL (process ${this.#child.pid}) does not stop.`);
  }

  async #waitUntilReady(cluster: string): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!this.#exited) {
      if (performance.now() > deadline) throw new Error('it did not become ready in time');
      if ((await this.#hasOpened(cluster)) && (await this.#answers())) {
        // A process with nothing left to do ends, and takes the server along, instead of waiting for it.
        this.#child.unref();
        return;
      }
      await sleep(POLL_MS);
    }
    throw new Error('it ended at once');
  }

  /**
   * Whether it says so itself: in the last line of `postmaster.pid`, as pg_ctl reads it. Before that, whoever
   * answers on the port may be somebody else, who came first.
   */
  async #hasOpened(cluster: string): Promise<boolean> {
    const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
    const lines = text.split('\n');
    return lines[0] === String(this.#child.pid) && lines[7]?.trim() === 'ready';
  }

  async #answers(): Promise<boolean> {
    return withClient(`${this.baseUrl}postgres`, async () => true).catch(() => false);
  }
}

/** Runs one piece of work on a connection of its own. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  // Said here, because the caller's PGSSLMODE and PGOPTIONS count otherwise.
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ssl: false,
    options: '-c application_name=mediadock',
  });
  // A connection that breaks also rejects what is waiting for it; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end();
  }
}

/** On the command line, so that an edited configuration file cannot change what the rest relies on. */
function argumentsFor(cluster: string, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    // A socket's path has a length limit that a data folder may exceed; nobody needs it.
    unix_socket_directories: '',
    logging_collector: 'off',
    log_destination: 'stderr',
    fsync: 'on',
  };
  return ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** One older log is kept; both stay bounded because the server is restarted now and then. */
async function openLog(path: string, account: Account): Promise<FileHandle> {
  const size = (await stat(path).catch(() => null))?.size ?? 0;
  if (size > MAX_LOG_BYTES) await rename(path, `${path}.1`);
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  const log = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, PRIVATE_FILE);
  // So that the owner of the data can go on after a start by root.
  if (account !== null) await log.chown(account.uid, account.gid);
  return log;
}

async function readTail(path: string, from: number): Promise<string> {
  const log = await open(path, 'r');
  try {
    const { size } = await log.stat();
    const start = Math.max(from, size - TAIL_BYTES);
    const { buffer, bytesRead } = await log.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await log.close();
  }
}
