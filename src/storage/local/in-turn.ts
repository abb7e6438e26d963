/** Lets works of one name begin one after the other; those of different names do not wait for each other. */
export class InTurn {
  /** By name, the end of the work that was asked for last. Never rejects. */
  private readonly ends = new Map<string, Promise<unknown>>();

  /** Throws what the work throws; the next one comes all the same. */
  async run<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.ends.get(name) ?? Promise.resolve();
    const result = before.then(work);
    const end = result.catch(() => {});
    this.ends.set(name, end);
    try {
      return await result;
    } finally {
      if (this.ends.get(name) === end) {
        this.ends.delete(name);
      }
    }
  }
}
