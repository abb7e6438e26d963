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

const OUTAGE = 'Redis does not answer';
const RECOVERY = 'Redis answers again';

const thumbnails = (mediaFileId: string): Job => ({ name: 'generate_thumbnails', mediaFileId });

async function isWell(queue: BullJobQueue): Promise<boolean> {
  return queue.check().then(
    () => true,
    () => false,
  );
}

async function untilWell(queue: BullJobQueue): Promise<void> {
  await until(async () => (await isWell(queue)) || null, 'the queue to be well');
}

async function untilBroken(queue: BullJobQueue): Promise<void> {
  await until(async () => !(await isWell(queue)) || null, 'the outage to be noticed');
}

async function failuresOf({ metrics }: OpenBullQueue): Promise<number> {
  const { values } = await metrics.enqueueFailures.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

describe(`${BullJobQueue.name} and a Redis that goes away`, () => {
  const log = new LogBook();
  const queues: OpenBullQueue[] = [];
  let redis: TestRedis;
  let prefix: string;

  beforeAll(async () => {
    redis = await startRedis({ own: true });
  }, 240_000);
  beforeEach(() => {
    prefix = newPrefix();
    log.clear();
  });
  afterEach(async () => {
    await Promise.all(queues.splice(0).map((opened) => opened.close()));
    await redis.stop();
    await redis.start();
  });
  afterAll(async () => redis.close());

  async function open(options: BullQueueOptions = {}): Promise<OpenBullQueue> {
    const queue = await openBullQueue(redis.url, { prefix, logger: log, ...options });
    queues.push(queue);
    return queue;
  }

  it('gets all work done in the end when it is killed under load and loses everything', async () => {
    const producer = await open();
    const worker = await open({ concurrency: 4 });
    const unfinished = new Set(Array.from({ length: 200 }, (_, index) => `file-${index}`));
    worker.queue.consume(async ({ mediaFileId }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      unfinished.delete(mediaFileId);
      return 'done';
    });
    const drive = () => Promise.all([...unfinished].map((id) => producer.queue.enqueue(thumbnails(id))));

    await drive();
    await until(async () => (unfinished.size < 150 ? true : null), 'some of the work');
    await redis.stop();
    await drive();
    expect(unfinished.size).toBeGreaterThan(0);
    await redis.start();
    // As the sweeper does it: what the table calls unfinished is enqueued again, until there is none.
    await until(async () => {
      await drive();
      return unfinished.size === 0 ? true : null;
    }, 'all of the work');
    expect(await failuresOf(producer)).toBeGreaterThan(0);
  });

  it('goes on by itself with what a Redis that writes to disk has kept', async () => {
    const durable = await startRedis({ own: true, args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    try {
      const { queue, close } = await openBullQueue(durable.url, { prefix, logger: log });
      const held = new HeldHandler();
      queue.consume(held.handle);
      for (const id of ['a', 'b', 'c', 'd']) {
        await queue.enqueue(thumbnails(id));
      }
      await held.untilStarted(2);
      await durable.stop();
      // Done while Redis is away: it learns of it when it is back.
      held.finishAll();
      await durable.start();
      await held.untilStarted(4);
      held.finishAll();
      await until(async () => {
        const depth = await queue.depth().catch(() => null);
        return depth?.waiting === 0 && depth.active === 0 ? true : null;
      }, 'the queue to be empty');
      expect(held.startedIds).toEqual(['a', 'b', 'c', 'd']);
      await close();
    } finally {
      await durable.close();
    }
  });

  it('starts without it, and begins to work when it comes', async () => {
    await redis.stop();
    const { queue } = await open();
    const held = new HeldHandler();
    queue.consume(held.handle);
    expect(await queue.enqueue(thumbnails('a'))).toBe(false);
    await expect(queue.check()).rejects.toThrow(OUTAGE);
    await expect(queue.depth()).rejects.toThrow(OUTAGE);

    await redis.start();
    await untilWell(queue);
    expect(await queue.enqueue(thumbnails('a'))).toBe(true);
    await held.untilStarted(1);
    held.finishAll();
  });

  it('logs an outage once when it begins and once when it ends, whatever happens in between', async () => {
    const { queue, metrics } = await open();
    queue.consume(async () => 'done');
    await untilWell(queue);
    await redis.stop();
    await untilBroken(queue);
    for (let index = 0; index < 100; index += 1) {
      await queue.enqueue(thumbnails(`file-${index}`));
    }
    await redis.start();
    await until(async () => (log.lines(RECOVERY).length > 0 ? true : null), 'the end of the outage');
    await untilWell(queue);
    expect(log.lines('', 'error')).toHaveLength(1);
    expect(log.lines('', 'error')[0]).toContain(OUTAGE);
    expect(log.lines('', 'warn')).toEqual([]);
    expect(log.lines(RECOVERY)).toHaveLength(1);
    expect(await metrics.enqueueFailures.get()).toMatchObject({
      values: [{ labels: { job: 'generate_thumbnails' }, value: 100 }],
    });
  });

  it('keeps nobody waiting while it hangs: only the first one to ask, and not for long', async () => {
    const { queue } = await open();
    await untilWell(queue);
    redis.pause();
    const before = Date.now();
    for (let index = 0; index < 100; index += 1) {
      await queue.enqueue(thumbnails(`file-${index}`));
    }
    await expect(queue.check()).rejects.toThrow(OUTAGE);
    expect(Date.now() - before).toBeLessThan(10_000);
    redis.resume();
    await untilWell(queue);
    expect(log.lines('', 'error')).toHaveLength(1);
    expect(log.lines(RECOVERY)).toHaveLength(1);
  });

  it('closes in time while it is away, with a job that runs', async () => {
    const { queue, close } = await open();
    const held = new HeldHandler();
    queue.consume(held.handle);
    await queue.enqueue(thumbnails('a'));
    await held.untilStarted(1);
    await redis.stop();
    await untilBroken(queue);
    const before = Date.now();
    const closing = queue.close(60_000);
    held.finishAll();
    await closing;
    await close();
    expect(Date.now() - before).toBeLessThan(10_000);
  });

  it('closes in time while it hangs', async () => {
    const { queue, close } = await open();
    const held = new HeldHandler();
    queue.consume(held.handle);
    await queue.enqueue(thumbnails('a'));
    await held.untilStarted(1);
    redis.pause();
    const before = Date.now();
    await queue.close(100);
    await close();
    expect(Date.now() - before).toBeLessThan(10_000);
  });

  it('closes in time when it has never been there', async () => {
    await redis.stop();
    const { queue, close } = await open();
    queue.consume(async () => 'done');
    await queue.close(60_000);
    await close();
    expect(log.lines('', 'warn')).toEqual([]);
  });
});
