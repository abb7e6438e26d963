import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The floor of image work, in a process of its own (`floor/renderer.ts`). */
export class BareSharp {
  private constructor(private readonly child: ChildProcess) {}

  static start(): BareSharp {
    const child = fork(join(import.meta.dirname, 'floor', 'renderer.js'));
    process.once('exit', () => child.kill('SIGKILL'));
    return new BareSharp(child);
  }

  /** @returns milliseconds for all files */
  async render(paths: readonly string[], atOnce: number): Promise<number> {
    this.child.send({ paths, atOnce });
    const [answer]: { milliseconds?: number; error?: string }[] = await once(this.child, 'message');
    if (answer?.milliseconds === undefined) {
      throw new Error(`Bare sharp failed: ${answer?.error}`);
    }
    return answer.milliseconds;
  }

  stop(): void {
    this.child.kill();
  }
}
