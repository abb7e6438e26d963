import { setImmediate } from 'node:timers/promises';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Job as BullJob, JobOptions, Queue } from 'bull';
import type { Metrics } from '../../common/metrics.js';
import type { Job, JobHandler, JobName, JobOutcome } from '../jobs.js';
import { jobIdOf } from '../jobs.js';
import { JobQueue, type QueueDepth } from '../job-queue.js';
import { BACKOFF } from './bull-options.js';
import { forgetFinished } from './finished-jobs.js';
import { reasonOf, type RedisConnections } from './redis-connections.js';
import { within } from '../../common/within.js';

export interface BullJobQueueOptions {
  /** Jobs at work at once in this process, of all types together. */
  readonly concurrency: number;
  readonly attempts: number;
}

/** What is over is kept for a person to look at; the table, not the queue, is the record. */
const KEEP_COMPLETED = { age: 60 * 60, count: 100 };
const KEEP_FAILED = { age: 7 * 24 * 60 * 60, count: 1_000 };
/** Bull adds up the concurrency of named processors; one for all names keeps the total what it is meant to be. */
const EVERY_NAME = '*';

/** The queue of production: Bull on Redis, shared by any number of processes. */
export class BullJobQueue extends JobQueue implements OnModuleInit, OnApplicationShutdown {
  readonly volatile = false;

  private readonly running = new Set<Promise<unknown>>();
  private closing: Promise<void> | null = null;
  private consumerFault: Error | null = null;

  constructor(
    readonly queue: Queue,
    private readonly redis: RedisConnections,
    metrics: Metrics,
    private readonly options: BullJobQueueOptions,
  ) {
    super(metrics);
    // Our connections name themselves. Bull's way leaves a rejection behind when it is closed before Redis answers.
    queue.setWorkerName = async () => {};
    // The framework's module gives the queue a hook that waits for running jobs without end.
    Object.assign(queue, { onApplicationShutdown: () => this.close(0) });
    this.watch();
  }

  /** True in an outage of Redis. */
  get isDown(): boolean {
    return this.redis.isDown;
  }

  /** Connects, so that an outage is known before the first request has to find out. */
  onModuleInit(): void {
    void this.redis.whenReady();
  }

  /** In an outage, which has been logged, a line a job would only bury what matters. */
  override async enqueue(job: Job, options?: { isFirst?: boolean }): Promise<boolean> {
    if (this.redis.isDown) {
      this.metrics.enqueueFailures.inc({ job: job.name });
      this.logger.debug({ job }, 'Redis does not answer; the sweeper will drive this job');
      return false;
    }
    return super.enqueue(job, options);
  }

  consume(handler: JobHandler): void {
    this.start(handler).catch((error: Error) => {
      if (this.closing === null) {
        this.consumerFault = error;
        this.logger.error({ reason: reasonOf(error) }, 'Bull could not start to take jobs');
      }
    });
  }

  async depth(): Promise<QueueDepth> {
    return this.redis.ask(async () => {
      const [waiting, active, delayed] = await Promise.all([
        this.queue.getWaitingCount(),
        this.queue.getActiveCount(),
        this.queue.getDelayedCount(),
      ]);
      return { waiting, active, delayed };
    });
  }

  async check(): Promise<void> {
    await this.redis.ask((redis) => redis.ping());
    if (this.consumerFault !== null) {
      throw this.consumerFault;
    }
  }

  /** Jobs that are handed back are found by their lost locks (Bull: stalled), and taken over by another process. */
  close(timeoutMs: number): Promise<void> {
    this.closing ??= this.drain(timeoutMs);
    return this.closing;
  }

  /** Comes after the last request has been answered: until then, what requests enqueue still gets through. */
  async onApplicationShutdown(): Promise<void> {
    await this.close(0);
    this.redis.finish();
  }

  protected async push(job: Job, isFirst: boolean): Promise<void> {
    const id = jobIdOf(job);
    const options: JobOptions = {
      jobId: id,
      attempts: this.options.attempts,
      backoff: { type: BACKOFF },
      removeOnComplete: KEEP_COMPLETED,
      removeOnFail: KEEP_FAILED,
    };
    try {
      await this.redis.ask(async (redis) => {
        // Sent together, over one connection, so they are carried out in this order.
        const forgotten = isFirst ? null : forgetFinished(redis, this.queue, id);
        await Promise.all([forgotten, this.queue.add(job.name, job, options)]);
      });
    } catch (error) {
      // Not the error itself: the library hangs whole scripts onto it, which would end up in the log.
      throw new Error(`Redis did not take a job: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Not before Redis has answered: Bull takes a connection that is refused for a reason to give up for good. */
  private async start(handler: JobHandler): Promise<void> {
    await this.redis.whenReady();
    if (this.closing === null) {
      await this.queue.process(EVERY_NAME, this.options.concurrency, (job) => this.run(job, handler));
    }
  }

  private async run(bullJob: BullJob<unknown>, handler: JobHandler): Promise<JobOutcome> {
    const job = jobIn(bullJob);
    const number = bullJob.attemptsMade + 1;
    const work = handler(job, { number, last: number >= (bullJob.opts.attempts ?? 1) });
    this.running.add(work);
    try {
      return await work;
    } finally {
      this.running.delete(work);
    }
  }

  private async drain(timeoutMs: number): Promise<void> {
    // Takes nothing new from here on, and does not wait: Bull's own waiting ends in an unhandled rejection when Redis
    // is away.
    void this.queue.close(true);
    this.redis.finishConsuming();
    await within(timeoutMs, Promise.allSettled(this.running)).catch(() => {
      this.logger.warn(`Handing back ${this.running.size} running jobs: another worker takes them over`);
    });
    // Redis answers in order: with the answer to this, it also knows what became of the jobs that have just ended.
    await setImmediate();
    await this.redis.ask((redis) => redis.ping()).catch(() => {});
  }

  private watch(): void {
    this.queue.on('stalled', ({ id }: BullJob) => {
      this.metrics.stalledJobs.inc();
      this.logger.warn({ id }, 'The worker of a job went away; the job is taken over');
    });
    this.queue.on('failed', (job: BullJob | null, error: Error) => this.logFinalFailure(job, error));
    this.queue.on('error', (error: Error) => {
      // What an outage does to jobs is no news; they are taken up again.
      if (!this.redis.hasNoticed(error) && !this.redis.isDown && this.closing === null) {
        this.logger.warn({ reason: reasonOf(error) }, 'Bull could not go on with a job');
      }
    });
  }

  /** Bull says "failed" of every attempt; only a job that is over has an end. */
  private logFinalFailure(job: BullJob | null, error: Error): void {
    if (job?.finishedOn) {
      this.logger.error(
        { id: job.id, attempts: job.attemptsMade, reason: reasonOf(error) },
        'A job is given up and kept; the sweeper will drive it again',
      );
    }
  }
}

/** Each name once; the compiler asks for those that are missing. */
const KNOWN: Readonly<Record<JobName, true>> = { generate_thumbnails: true, delete_files: true };

/** What stands in Redis may have been put there by another version, or by hand. */
function jobIn({ name, data }: BullJob<unknown>): Job {
  const mediaFileId =
    typeof data === 'object' && data !== null && 'mediaFileId' in data ? data.mediaFileId : null;
  if (!isJobName(name) || typeof mediaFileId !== 'string') {
    throw new Error(`This version knows no such job: ${name}`);
  }
  return { name, mediaFileId };
}

function isJobName(name: string): name is JobName {
  return Object.hasOwn(KNOWN, name);
}
