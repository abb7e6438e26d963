interface Waiter {
  readonly cost: number;
  readonly start: () => void;
}

/**
 * Bounds the pixels that all decodes in flight hold together, so that memory stays bounded however many jobs
 * run at once. First come, first served: a large image is never starved by small ones that would still fit.
 * One that costs more than the whole budget runs alone.
 */
export class PixelBudget {
  private readonly waiting: Waiter[] = [];
  private inUse = 0;

  /** @param capacity pixels; about four bytes each */
  constructor(private readonly capacity: number) {}

  /** Runs the task once `cost` pixels are free, and gives them back however it ends. */
  async run<T>(cost: number, task: () => Promise<T>): Promise<T> {
    const held = Math.min(cost, this.capacity);
    await this.acquire(held);
    try {
      return await task();
    } finally {
      this.inUse -= held;
      this.startWaiting();
    }
  }

  private async acquire(cost: number): Promise<void> {
    if (this.waiting.length === 0 && this.fits(cost)) {
      this.inUse += cost;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.push({ cost, start: resolve });
    await promise;
  }

  /** Counts a waiter in before it wakes up, so that nobody can take its place in between. */
  private startWaiting(): void {
    for (let next = this.waiting[0]; next !== undefined && this.fits(next.cost); next = this.waiting[0]) {
      this.waiting.shift();
      this.inUse += next.cost;
      next.start();
    }
  }

  private fits(cost: number): boolean {
    return this.inUse + cost <= this.capacity;
  }
}
