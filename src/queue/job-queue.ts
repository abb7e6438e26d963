import { Logger } from '@nestjs/common';
import type { Metrics } from '../common/metrics.js';
import type { Job, JobHandler } from './jobs.js';

/** How many jobs are in the queue, by state. */
export interface QueueDepth {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
}

/**
 * The queue port. The queue only makes things fast: what has to happen is in the table, and a job that is lost is
 * driven again by the sweeper. So `enqueue` never fails a request, and every job may run twice.
 */
export abstract class JobQueue {
  protected readonly logger = new Logger(JobQueue.name);

  protected constructor(protected readonly metrics: Metrics) {}

  /**
   * Call it after the commit. Never rejects: a queue that is down is logged and counted, and the sweeper makes up for it.
   *
   * @returns false when the queue did not take it
   * @param isFirst promises that there has never been a job of this type for this file, so that no adapter has to look for a
   *   finished one that is in the way; wrongly promised, the job may not run before the sweeper drives it
   */
  async enqueue(job: Job, { isFirst = false }: { isFirst?: boolean } = {}): Promise<boolean> {
    try {
      await this.push(job, isFirst);
      return true;
    } catch (error) {
      this.metrics.enqueueFailures.inc({ job: job.name });
      this.logger.warn({ err: error, job }, 'The queue did not take a job; the sweeper will drive it');
      return false;
    }
  }

  /** Starts to work. Called once, by processes whose role includes the worker. */
  abstract consume(handler: JobHandler): void;

  /** Takes no new jobs, waits for the running ones at most `timeoutMs`, and leaves the others to the table. */
  abstract close(timeoutMs: number): Promise<void>;

  abstract depth(): Promise<QueueDepth>;

  /** Resolves when the queue answers; for health checks. */
  abstract check(): Promise<void>;

  /** True when jobs do not outlive this process, so that a start has to drive what an earlier one left behind. */
  abstract readonly volatile: boolean;

  protected abstract push(job: Job, isFirst: boolean): Promise<void>;
}
