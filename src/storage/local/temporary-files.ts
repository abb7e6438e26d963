import { removeFile, removeStaleFiles } from './durable-files.js';
import type { ObjectPaths } from './object-path.js';

/** Files under a name that nobody else knows, each for as long as one piece of work takes. */
export class TemporaryFiles {
  private readonly inUse = new Set<Promise<unknown>>();

  constructor(private readonly paths: ObjectPaths) {}

  /** Whatever the action leaves under the name that it is given is gone afterwards. */
  async withOne<T>(action: (path: string) => Promise<T>): Promise<T> {
    const work = this.useOne(action);
    this.inUse.add(work);
    try {
      return await work;
    } finally {
      this.inUse.delete(work);
    }
  }

  /** Resolves when none is there any more of those that were when it was called. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.inUse);
  }

  /** Removes what killed processes left half-written. @returns how many files */
  async removeStale(olderThan: Date): Promise<number> {
    return removeStaleFiles(this.paths.temporaries, olderThan);
  }

  private async useOne<T>(action: (path: string) => Promise<T>): Promise<T> {
    const path = this.paths.temporary();
    try {
      return await action(path);
    } finally {
      // Also after success: a rename between two links to one file does nothing and leaves both names.
      await removeFile(path);
    }
  }
}
