import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export interface ChildServerOptions {
  readonly name: string;
  /** Compiled script. */
  readonly script: string;
  /** Given to Node before the script. */
  readonly nodeOptions?: readonly string[];
  readonly environment: Record<string, string>;
  /** Where it listens. */
  readonly origin: string;
  /** Answers 200 once it may be asked. */
  readonly readyPath: string;
  /** What it prints goes here, as it would go to a log in production: to a file, and nobody reads along. */
  readonly logFile: string;
}

/** A server in a process of its own, so that its CPU time and memory are its own. */
export class ChildServer {
  private constructor(
    readonly origin: string,
    private readonly child: ChildProcess,
    readonly pid: number,
  ) {}

  static async start(options: ChildServerOptions): Promise<ChildServer> {
    const log = openSync(options.logFile, 'w');
    const child = spawn(process.execPath, [...(options.nodeOptions ?? []), options.script], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.environment },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const takeAlong = (): boolean => child.kill('SIGKILL');
    process.once('exit', takeAlong);
    child.once('exit', () => process.off('exit', takeAlong));
    if (child.pid === undefined) {
      throw new Error(`${options.name} could not be started`);
    }
    const server = new ChildServer(options.origin, child, child.pid);
    await server.untilReady(options);
    return server;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGTERM');
      await ended;
    }
  }

  private async untilReady({ name, readyPath, logFile }: ChildServerOptions): Promise<void> {
    const end = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < end) {
      if (this.child.exitCode !== null) {
        break;
      }
      const response = await fetch(this.origin + readyPath).catch(() => null);
      if (response?.ok === true) {
        return;
      }
      await sleep(POLL_MS);
    }
    await this.stop();
    throw new Error(`${name} did not start; it says why in ${logFile}`);
  }
}
