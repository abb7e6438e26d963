import type { Metrics } from '../common/metrics.js';
import { backoffMs, type Job, type JobHandler, jobIdOf } from './jobs.js';
import { JobQueue, type QueueDepth } from './job-queue.js';

export interface InProcessQueueOptions {
  /** Jobs at work at once. */
  readonly concurrency: number;
  readonly attempts: number;
  /** Jobs that may wait; more are refused, and the sweeper drives them once there is room. */
  readonly capacity?: number;
}

interface Entry {
  readonly job: Job;
  attempt: number;
}

const DEFAULT_CAPACITY = 10_000;

/** The queue of the embedded default: a list in memory with the semantics of the one on Redis. */
export class InProcessQueue extends JobQueue {
  readonly volatile = true;

  /** Every job that is known, by id: waiting, delayed or active. */
  private readonly known = new Set<string>();
  private readonly waiting: Entry[] = [];
  private readonly delayed = new Map<string, NodeJS.Timeout>();
  private readonly active = new Map<string, Promise<void>>();
  private handler: JobHandler | null = null;
  private closing = false;

  constructor(
    metrics: Metrics,
    private readonly options: InProcessQueueOptions,
  ) {
    super(metrics);
  }

  consume(handler: JobHandler): void {
    this.handler = handler;
    this.startWaiting();
  }

  async depth(): Promise<QueueDepth> {
    return { waiting: this.waiting.length, active: this.active.size, delayed: this.delayed.size };
  }

  async check(): Promise<void> {
    if (this.closing) {
      throw new Error('The queue is closing');
    }
  }

  async close(timeoutMs: number): Promise<void> {
    this.closing = true;
    this.waiting.length = 0;
    for (const timer of this.delayed.values()) {
      clearTimeout(timer);
    }
    this.delayed.clear();
    const { promise: timedOut, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([Promise.all(this.active.values()), timedOut]);
    clearTimeout(timer);
    if (this.active.size > 0) {
      this.logger.warn(`Handing back ${this.active.size} running jobs: the next start drives them again`);
    }
  }

  protected async push(job: Job): Promise<void> {
    const id = jobIdOf(job);
    if (this.closing || this.known.has(id)) {
      return;
    }
    if (this.known.size >= (this.options.capacity ?? DEFAULT_CAPACITY)) {
      throw new Error('The in-process queue is full');
    }
    this.known.add(id);
    this.waiting.push({ job, attempt: 1 });
    this.startWaiting();
  }

  private startWaiting(): void {
    while (this.handler !== null && !this.closing && this.active.size < this.options.concurrency) {
      const entry = this.waiting.shift();
      if (entry === undefined) {
        return;
      }
      const id = jobIdOf(entry.job);
      const run = this.run(entry, this.handler).finally(() => {
        this.active.delete(id);
        this.startWaiting();
      });
      this.active.set(id, run);
    }
  }

  private async run(entry: Entry, handler: JobHandler): Promise<void> {
    const last = entry.attempt >= this.options.attempts;
    try {
      await handler(entry.job, { number: entry.attempt, last });
      this.known.delete(jobIdOf(entry.job));
    } catch {
      // The handler has logged and counted it; the queue only decides whether to try again.
      if (last || this.closing) {
        this.known.delete(jobIdOf(entry.job));
      } else {
        this.retryLater(entry);
      }
    }
  }

  private retryLater(entry: Entry): void {
    const id = jobIdOf(entry.job);
    const timer = setTimeout(() => {
      this.delayed.delete(id);
      this.waiting.push({ job: entry.job, attempt: entry.attempt + 1 });
      this.startWaiting();
    }, backoffMs(entry.attempt));
    this.delayed.set(id, timer);
  }
}
