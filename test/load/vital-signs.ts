import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const KIB_PER_MIB = 1024;

/** What the kernel says of a process, in /proc. Only there on Linux. */
export class VitalSigns {
  private readonly folder: string;

  constructor(pid: number) {
    this.folder = join('/proc', String(pid));
  }

  /** MiB that it has in memory right now. */
  async memory(): Promise<number> {
    return this.statusMib('VmRSS');
  }

  /** The most MiB that it has had in memory since {@link forgetPeak}. */
  async peakMemory(): Promise<number> {
    return this.statusMib('VmHWM');
  }

  async forgetPeak(): Promise<void> {
    // proc(5): 5 resets the peak of the resident set to what it is now.
    await writeFile(join(this.folder, 'clear_refs'), '5');
  }

  async descriptors(): Promise<number> {
    return (await readdir(join(this.folder, 'fd'))).length;
  }

  /** Paths of the files below a folder that it holds open; one that was removed meanwhile counts too. */
  async openFilesBelow(folder: string): Promise<string[]> {
    const descriptors = await readdir(join(this.folder, 'fd'));
    const targets = await Promise.all(
      // One may be closed between the two looks.
      descriptors.map((name) => readlink(join(this.folder, 'fd', name)).catch(() => '')),
    );
    return targets.filter((target) => target.startsWith(join(folder, '/')));
  }

  private async statusMib(field: string): Promise<number> {
    const status = await readFile(join(this.folder, 'status'), 'utf8');
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
    if (kib === undefined) {
      throw new Error(`There is no ${field} in ${this.folder}/status`);
    }
    return Math.round(Number(kib) / KIB_PER_MIB);
  }
}

/** How many files and connections a process of this test run may have open; the servers that it starts inherit it. */
export async function descriptorLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
