import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BullJobQueue } from '../../src/queue/bull/bull-job-queue.js';
import type { Job } from '../../src/queue/jobs.js';
import { until } from '../support/api-client.js';
import { newPrefix, openBullQueue, type OpenBullQueue } from '../support/bull-queue.js';
import { HeldHandler } from '../support/held-handler.js';
import { LogBook } from '../support/log-book.js';
import { startRedis, type TestRedis } from '../support/redis.js';

const thumbnails = (mediaFileId: string): Job => ({ name: 'generate_thumbnails', mediaFileId });

describe(`${BullJobQueue.name} and what it keeps`, () => {
  const log = new LogBook();
  let redis: TestRedis;
  let opened: OpenBullQueue;
  let queue: BullJobQueue;

  beforeAll(async () => {
    redis = await startRedis();
  }, 240_000);
  beforeEach(async () => {
    log.clear();
    opened = await openBullQueue(redis.url, {
      prefix: newPrefix(),
      attempts: 1,
      concurrency: 1,
      logger: log,
    });
    queue = opened.queue;
  });
  afterEach(async () => {
    await queue.queue.obliterate({ force: true });
    await opened.close();
  });
  afterAll(async () => redis.close());

  const untilFailed = (count: number) =>
    until(async () => (await queue.queue.getFailedCount()) === count || null, `${count} jobs to be given up`);

  it('shows why a job was given up, until the job comes again', async () => {
    const held = new HeldHandler();
    queue.consume(held.handle);
    await queue.enqueue(thumbnails('a'));
    await held.untilStarted(1);
    held.fail('a');
    await untilFailed(1);
    const [failed] = await queue.queue.getFailed();
    expect(failed).toMatchObject({ id: 'generate_thumbnails:a', failedReason: 'Storage is down' });
    await until(async () => log.lines('A job is given up', 'error').length === 1 || null, 'it to be logged');

    await queue.enqueue(thumbnails('a'));
    await held.untilStarted(2);
    await untilFailed(0);
    held.finishAll();
  });

  it('shows what was done lately, and how it ended', async () => {
    queue.consume(async () => 'skipped');
    await queue.enqueue(thumbnails('a'));
    await until(async () => (await queue.queue.getCompletedCount()) === 1 || null, 'the job to be done');
    const [completed] = await queue.queue.getCompleted();
    expect(completed).toMatchObject({ id: 'generate_thumbnails:a', returnvalue: 'skipped' });
  });

  it('gives up what is no job of this version, and goes on', async () => {
    const held = new HeldHandler();
    queue.consume(held.handle);
    await queue.queue.add('transcode', { mediaFileId: 'a' });
    await queue.queue.add('delete_files', { path: '/' });
    await queue.enqueue(thumbnails('b'));
    await held.untilStarted(1);
    held.finishAll();
    await untilFailed(2);
    expect(held.startedIds).toEqual(['b']);
  });

  it('takes a job again whose list was lost, as when Redis evicts keys', async () => {
    await queue.enqueue(thumbnails('a'));
    await queue.queue.client.del(queue.queue.toKey('wait'));
    expect(await queue.depth()).toEqual({ waiting: 0, active: 0, delayed: 0 });
    await queue.enqueue(thumbnails('a'));
    expect(await queue.depth()).toEqual({ waiting: 1, active: 0, delayed: 0 });
  });

  it('does not look for a finished job in the way of the first one of a file', async () => {
    const scripts = vi.spyOn(queue.queue.client, 'eval');
    await queue.enqueue(thumbnails('a'), { isFirst: true });
    expect(scripts).not.toHaveBeenCalled();
    await queue.enqueue(thumbnails('a'));
    expect(scripts).toHaveBeenCalledTimes(1);
    scripts.mockRestore();
    expect(await queue.depth()).toEqual({ waiting: 1, active: 0, delayed: 0 });
  });

  it('counts jobs as waiting, and takes them only once, while an operator has paused the queue', async () => {
    await queue.queue.pause();
    await queue.enqueue(thumbnails('a'));
    await queue.enqueue(thumbnails('a'));
    expect(await queue.depth()).toEqual({ waiting: 1, active: 0, delayed: 0 });
  });
});
