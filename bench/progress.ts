const WIDTH = 30;

/** A bar on a terminal; a line for each kind of work anywhere else. */
export class Progress {
  private done = 0;
  private current = '';

  constructor(
    private readonly steps: number,
    private readonly out: NodeJS.WriteStream = process.stderr,
  ) {}

  begin(what: string): void {
    this.current = what;
    if (this.out.isTTY) {
      this.draw();
    } else {
      this.out.write(`${String(Math.round((this.done / this.steps) * 100)).padStart(3)} %  ${what}\n`);
    }
  }

  step(): void {
    this.done += 1;
    if (this.out.isTTY) {
      this.draw();
    }
  }

  end(): void {
    if (this.out.isTTY) {
      this.out.write('\r\x1b[K');
    }
  }

  private draw(): void {
    const part = Math.min(1, this.done / this.steps);
    const filled = Math.round(part * WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    this.out.write(`\r\x1b[K${bar} ${Math.round(part * 100)} %  ${this.current}`);
  }
}
