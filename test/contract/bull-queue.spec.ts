import { afterAll, beforeAll } from 'vitest';
import { BullJobQueue } from '../../src/queue/bull/bull-job-queue.js';
import { newPrefix, openBullQueue } from '../support/bull-queue.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { describeJobQueue } from './job-queue.contract.js';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
}, 240_000);
afterAll(async () => redis.close());

describeJobQueue(BullJobQueue.name, async (options) => {
  const open = await openBullQueue(redis.url, { ...options, prefix: newPrefix() });
  return { queue: open.queue, release: () => open.close() };
});
