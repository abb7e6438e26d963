import { readdir, readFile, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';

/** Linux tells the work of every process in ticks of its own clock; elsewhere there is no `/proc`, and no figures. */
const TICKS_PER_SECOND = ticksPerSecond();

/** CPU time of a process with all its threads and all children that it has waited for, in milliseconds. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program, in parentheses, may contain anything; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** The same for a server that works in child processes, as PostgreSQL does. */
export async function cpuMsWithChildren(pid: number): Promise<number> {
  const pids = [pid, ...(await childrenOf(pid))];
  const each = await Promise.all(pids.map(cpuMs));
  return each.reduce((sum, ms) => sum + ms, 0);
}

/** From here on the peak counts anew. */
export async function resetPeakRss(pid: number): Promise<void> {
  // proc(5): writing 5 resets the peak resident set size.
  await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => {});
}

/** The most memory that was resident since the reset, in MiB; null where that cannot be known. */
export async function peakRssMib(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : Number(kib) / 1024;
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

function ticksPerSecond(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  } catch {
    return 100;
  }
}
