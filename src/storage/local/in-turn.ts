interface Line {
  running: number;
  /** Called in their order, each when it is its turn. */
  readonly waiting: (() => void)[];
}

/** Lets only so many works of one name run at once, in their order; those of different names do not wait for each other. */
export class InTurn {
  private readonly lines = new Map<string, Line>();

  constructor(private readonly atOnce = 1) {}

  /** Throws what the work throws; the next one comes all the same. */
  async run<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.lines.get(name) ?? { running: 0, waiting: [] };
    this.lines.set(name, line);
    if (line.running < this.atOnce) {
      line.running += 1;
    } else {
      await new Promise<void>((resolve) => line.waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      this.handOn(name, line);
    }
  }

  private handOn(name: string, line: Line): void {
    const next = line.waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    line.running -= 1;
    if (line.running === 0) {
      this.lines.delete(name);
    }
  }
}
