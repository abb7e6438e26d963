import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ownPort } from './own-port.js';
import type { RawEnvironment } from '../../src/config/parse-environment.js';
import { ApiClient, until } from './api-client.js';
import { makeDataFolder } from './data-folder.js';
import { plantSeed } from './postgres-seed.js';
import { START_COMMAND } from './start-command.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');

/** On a machine that is busy with other tests. */
const START_TIMEOUT_MS = 60_000;

/** Compiles `dist` when it is out of date, as `npm start` does. */
export async function build(): Promise<void> {
  await run(process.execPath, [join(ROOT, 'scripts', 'ensure-built.mjs')]);
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A data folder of its own and a port, for real processes to run on, one after the other or side by side. */
export class Installation {
  private constructor(
    readonly dataDir: string,
    readonly port: number,
    private readonly environment: RawEnvironment,
    private readonly fresh: boolean,
  ) {}

  /** @param options `fresh`, where it matters that the very first start has a database to make */
  static async create(environment: RawEnvironment = {}, { fresh = false } = {}): Promise<Installation> {
    const dataDir = await makeDataFolder('installation');
    return new Installation(dataDir, await ownPort(), environment, fresh);
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts a server process and waits until it is ready. */
  async start(environment: Record<string, string> = {}): Promise<ServerProcess> {
    if (!this.fresh && this.environmentWith(environment)['DATABASE_URL'] === undefined) {
      await plantSeed(this.dataDir);
    }
    const server = this.launch(environment);
    try {
      await until(() => this.isReady(server), 'the server to be ready', START_TIMEOUT_MS);
    } catch (error) {
      // Were it left to run, it would stand in the way of the next one, and answer in its place.
      await server.end('SIGKILL');
      throw error;
    }
    return server;
  }

  private async isReady(server: ServerProcess): Promise<true | null> {
    if (server.exited) {
      throw new Error(`The server ended while it started:\n${server.output}`);
    }
    const response = await fetch(`${this.baseUrl}/health/ready`).catch(() => null);
    return response?.ok === true ? true : null;
  }

  /** Starts a server process, and leaves it to the caller what comes of it. */
  launch(environment: Record<string, string> = {}): ServerProcess {
    return new ServerProcess(
      spawn(process.execPath, [...START_COMMAND.nodeOptions, join(ROOT, 'dist', 'src', 'main.js')], {
        cwd: this.dataDir,
        env: { ...START_COMMAND.environment, ...this.environmentWith(environment) },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  /** Runs one of the commands of `src/cli`. */
  async command(name: string, ...args: string[]): Promise<CommandResult> {
    try {
      const { stdout, stderr } = await run(
        process.execPath,
        [join(ROOT, 'dist', 'src', 'cli', `${name}.js`), ...args],
        {
          cwd: this.dataDir,
          env: this.environmentWith({}),
        },
      );
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = Object.assign({ code: -1, stdout: '', stderr: String(error) }, error);
      return { code, stdout, stderr };
    }
  }

  /** A client signed in as this subject, with a token from the command that users are told to use. */
  async as(subject: string): Promise<ApiClient> {
    const { stdout } = await this.command('token', subject);
    return new ApiClient(this.baseUrl, stdout.trim());
  }

  async remove(): Promise<void> {
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private environmentWith(more: Record<string, string>): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      PORT: String(this.port),
      DATA_DIR: this.dataDir,
      ...this.environment,
      ...more,
    };
  }
}

export class ServerProcess {
  output = '';
  exited = false;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;

  constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.exited = true;
        resolve(code ?? signal ?? 0);
      });
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) {
      throw new Error('The process could not be started');
    }
    return this.child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Command lines of running processes that have this text in them; of this machine's own, read from /proc or ps. */
export async function processesWith(text: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(text) && !line.startsWith('ps '));
}
