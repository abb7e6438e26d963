import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BullJobQueue } from '../../src/queue/bull/bull-job-queue.js';
import type { Job } from '../../src/queue/jobs.js';
import { until } from '../support/api-client.js';
import {
  type BullQueueOptions,
  newPrefix,
  openBullQueue,
  type OpenBullQueue,
} from '../support/bull-queue.js';
import { HeldHandler } from '../support/held-handler.js';
import { LogBook } from '../support/log-book.js';
import { startRedis, type TestRedis } from '../support/redis.js';

const WORKER = join(import.meta.dirname, '..', 'support', 'bull-worker.mjs');
/** Short, so that a dead worker is missed soon; long enough for a busy machine to renew its locks. */
const TIMINGS = { lockDuration: 2_000, stalledInterval: 200 };

const thumbnails = (mediaFileId: string): Job => ({ name: 'generate_thumbnails', mediaFileId });

describe(`${BullJobQueue.name} and workers that die`, () => {
  const log = new LogBook();
  const queues: OpenBullQueue[] = [];
  const workers: ChildProcess[] = [];
  let redis: TestRedis;
  let prefix: string;

  beforeAll(async () => {
    redis = await startRedis();
  }, 240_000);
  beforeEach(() => {
    prefix = newPrefix();
    log.clear();
  });
  afterEach(async () => {
    for (const worker of workers.splice(0)) {
      worker.kill('SIGKILL');
    }
    await Promise.all(queues.splice(0).map((opened) => opened.close()));
  });
  afterAll(async () => redis.close());

  async function open(options: BullQueueOptions = {}): Promise<OpenBullQueue> {
    const queue = await openBullQueue(redis.url, { prefix, timings: TIMINGS, logger: log, ...options });
    queues.push(queue);
    return queue;
  }

  /** Starts a worker process, waits until it is in the middle of this job, and kills it. */
  async function dieWith(mediaFileId: string): Promise<void> {
    const { lockDuration, stalledInterval } = TIMINGS;
    const worker = spawn(
      process.execPath,
      [WORKER, redis.url, prefix, String(lockDuration), String(stalledInterval)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    workers.push(worker);
    let output = '';
    worker.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await until(async () => output.includes(`started ${mediaFileId}`) || null, 'the worker to begin');
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  }

  it('takes over the job of a worker that was killed in the middle of it', async () => {
    const { queue, metrics } = await open();
    await queue.enqueue(thumbnails('a'));
    await dieWith('a');
    // Nobody can know yet: as long as the lock holds, the job counts as running, and is not taken twice.
    await queue.enqueue(thumbnails('a'));
    expect(await queue.depth()).toEqual({ waiting: 0, active: 1, delayed: 0 });

    const held = new HeldHandler();
    queue.consume(held.handle);
    await held.untilStarted(1);
    held.finishAll();
    await until(async () => (await queue.depth()).active === 0 || null, 'the job to be done');
    expect(held.started).toEqual([{ job: thumbnails('a'), attempt: { number: 1, last: false } }]);
    expect(await metrics.stalledJobs.get()).toMatchObject({ values: [{ value: 1 }] });
    expect(log.lines('The worker of a job went away', 'warn')).toHaveLength(1);
  });

  it('gives up a job that takes its workers down, and takes it again when the sweeper brings it', async () => {
    const { queue } = await open();
    await queue.enqueue(thumbnails('poison'));
    await dieWith('poison');
    await dieWith('poison');
    const held = new HeldHandler();
    queue.consume(held.handle);
    await until(
      async () => log.lines('A job is given up', 'error').length > 0 || null,
      'the job to be given up',
    );
    expect(log.lines('stalled more than allowable limit', 'error')).toHaveLength(1);
    expect(held.started).toEqual([]);

    await queue.enqueue(thumbnails('poison'));
    await held.untilStarted(1);
    held.finishAll();
  });

  it('never gives a job to two workers, however long it takes', async () => {
    const [first, second] = [await open({ concurrency: 4 }), await open({ concurrency: 4 })];
    const [here, there] = [new HeldHandler(), new HeldHandler()];
    first.queue.consume(here.handle);
    second.queue.consume(there.handle);
    const ids = Array.from({ length: 6 }, (_, index) => `file-${index}`);
    await Promise.all(ids.flatMap((id) => [first, second].map(({ queue }) => queue.enqueue(thumbnails(id)))));
    const startedIds = () => [...here.startedIds, ...there.startedIds].toSorted();
    await until(async () => startedIds().length >= ids.length || null, 'all jobs to start');
    // Until every lock would have run out twice, had it not been renewed.
    await new Promise((resolve) => setTimeout(resolve, 2 * TIMINGS.lockDuration));
    await Promise.all(ids.map((id) => first.queue.enqueue(thumbnails(id))));
    here.finishAll();
    there.finishAll();
    await until(async () => (await first.queue.depth()).active === 0 || null, 'all jobs to be done');
    expect(startedIds()).toEqual(ids);
    expect(here.started.length).toBeLessThanOrEqual(4);
    expect(there.started.length).toBeLessThanOrEqual(4);
  });

  it('leaves a job that it did not finish in time before closing to another worker', async () => {
    const first = await open();
    const stuck = new HeldHandler();
    first.queue.consume(stuck.handle);
    await first.queue.enqueue(thumbnails('a'));
    await stuck.untilStarted(1);
    await first.queue.close(10);
    expect(log.lines('Handing back 1', 'warn')).toHaveLength(1);

    const second = await open();
    const held = new HeldHandler();
    second.queue.consume(held.handle);
    await held.untilStarted(1);
    held.finishAll();
    stuck.finishAll();
    await until(async () => (await second.queue.depth()).active === 0 || null, 'the job to be done');
  });

  it('keeps what requests enqueue while the process is already closing', async () => {
    const first = await open();
    first.queue.consume(async () => 'done');
    await first.queue.close(10_000);
    await first.queue.enqueue(thumbnails('a'));
    const second = await open();
    const held = new HeldHandler();
    second.queue.consume(held.handle);
    await held.untilStarted(1);
    held.finishAll();
    expect(held.startedIds).toEqual(['a']);
  });
});
