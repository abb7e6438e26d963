import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasErrorCode } from '../../common/error-code.js';

const run = promisify(execFile);
const POLL_MS = 20;

/**
 * PostgreSQL's three ways to shut down, each with the milliseconds it gets: fast (clients are cut off, a
 * checkpoint is written), immediate (recovery at the next start), and by force.
 * Source: https://www.postgresql.org/docs/current/server-shutdown.html
 */
const SHUTDOWN_LADDER = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
] as const satisfies readonly (readonly [NodeJS.Signals, number])[];

interface ProcessStatus {
  readonly command: string;
  readonly zombie: boolean;
  /** Clock ticks since boot, as text. */
  readonly startTicks: string;
}

/**
 * What is known about the process that a `postmaster.pid` names. "foreign" answers signals, and yet is no server of
 * this cluster: a stranger with a reused id, or a killed server that nobody has reaped.
 */
export type ServerVerdict = 'gone' | 'ours' | 'foreign' | 'unknown';

/** A killed process that nobody has reaped (common in containers) still answers signals; it counts as dead. */
export async function isAlive(pid: number): Promise<boolean> {
  return respondsToSignals(pid) && (await readStatus(pid))?.zombie !== true;
}

/**
 * Tells two processes with the same, reused id apart; null where the platform does not say. Ticks count from
 * boot, so the boot is part of it: services come up at much the same tick every time.
 */
export async function startTimeOf(pid: number): Promise<string | null> {
  const status = await readStatus(pid);
  if (status !== null) {
    return `${await readText('/proc/sys/kernel/random/boot_id')}/${status.startTicks}`;
  }
  return process.platform === 'linux' ? null : ps(pid, 'lstart=');
}

/**
 * Is that process the PostgreSQL server of this cluster? A wrong "ours" would signal a stranger, a wrong
 * "foreign" would let two servers write the same files; so whatever is not proven is "unknown".
 */
export async function judgeServer(pid: number, cluster: string): Promise<ServerVerdict> {
  if (!respondsToSignals(pid)) return 'gone';
  const status = await readStatus(pid);
  if (status === null) return judgeByCommandLine(await ps(pid, 'command='), cluster);
  if (status.zombie || status.command !== 'postgres') return 'foreign';
  // The server works inside its cluster, whatever path it was started with. Reading that needs the same user
  // or CAP_SYS_PTRACE, which root in a container often lacks; the arguments are readable by everybody.
  const workingFolder = await stat(`/proc/${pid}/cwd`).catch(() => null);
  if (workingFolder !== null) {
    const own = await stat(cluster);
    return workingFolder.dev === own.dev && workingFolder.ino === own.ino ? 'ours' : 'foreign';
  }
  const args = ((await readText(`/proc/${pid}/cmdline`)) ?? '').split('\0');
  return args[args.indexOf('-D') + 1] === cluster ? 'ours' : 'unknown';
}

/** Climbs the shutdown ladder until the process has gone. `send` must check for itself that the target is right. */
export async function shutDown(
  send: (signal: NodeJS.Signals) => Promise<void> | void,
  hasGone: () => Promise<boolean> | boolean,
): Promise<boolean> {
  for (const [signal, patienceMs] of SHUTDOWN_LADDER) {
    await send(signal);
    const deadline = performance.now() + patienceMs;
    do {
      if (await hasGone()) return true;
      await sleep(POLL_MS);
    } while (performance.now() < deadline);
  }
  return hasGone();
}

function respondsToSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is one, and it belongs to somebody else.
    return hasErrorCode(error, 'EPERM');
  }
}

/** Fields of proc_pid_stat(5); the command is in parentheses and may contain some itself. */
async function readStatus(pid: number): Promise<ProcessStatus | null> {
  const text = await readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return {
    command: text.slice(text.indexOf('(') + 1, end),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    startTicks: fields[19] ?? '',
  };
}

function judgeByCommandLine(command: string | null, cluster: string): ServerVerdict {
  if (command === null) return 'unknown';
  if (!command.includes('postgres')) return 'foreign';
  return command.includes(`-D ${cluster} `) ? 'ours' : 'unknown';
}

async function ps(pid: number, column: string): Promise<string | null> {
  return run('ps', ['-ww', '-p', String(pid), '-o', column]).then(
    ({ stdout }) => stdout.trim() || null,
    () => null,
  );
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
}
