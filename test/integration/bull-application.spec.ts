import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HealthDto } from '../../src/health/dto/health.dto.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('Mediadock with its queue on Redis', () => {
  let redis: TestRedis;
  let mediadock: TestApp;

  beforeAll(async () => {
    redis = await startRedis({ own: true });
    mediadock = await startTestApp({ REDIS_URL: redis.url, SWEEP_INTERVAL_SECONDS: '1' });
  }, 240_000);
  afterEach(async () => {
    await redis.stop();
    await redis.start();
    await untilQueue({ status: 'up' });
  });
  afterAll(async () => {
    await mediadock.close();
    await redis.close();
  });

  const health = () => mediadock.anonymous().send<HealthDto>('GET', '/health/ready');
  const metrics = async () => (await mediadock.anonymous().send<string>('GET', '/metrics')).body;

  async function untilQueue(expected: object): Promise<void> {
    await until(
      async () => {
        const { body } = await health();
        return JSON.stringify(body.details['queue']) === JSON.stringify(expected) || null;
      },
      `the queue to be ${JSON.stringify(expected)}`,
    );
  }

  it('makes a photo ready, and reports the state of the queue', async () => {
    const alice = mediadock.as('alice');
    const { id } = await alice.upload(await photo(400, 300), 'image/jpeg');
    expect(await alice.settled(id)).toMatchObject({ status: 'ready', width: 400, height: 300 });
    await untilQueue({ status: 'up' });
    expect(await metrics()).toMatch(/^mediadock_queue_jobs\{state="waiting"\} \d+$/m);
    expect(await metrics()).toMatch(/^mediadock_stalled_jobs_total 0$/m);
  });

  it('serves requests as before while Redis is away, and does the work when it is back', async () => {
    const bob = mediadock.as('bob');
    const uploads = await Promise.all(
      [1, 2, 3].map(async (size) => bob.uploadUnconfirmed(await photo(100 * size, 80), 'image/jpeg')),
    );
    const removed = await bob.upload(await photo(90, 80), 'image/jpeg');
    await bob.settled(removed.id);
    await redis.stop();
    await untilQueue({ degraded: true, status: 'up' });
    expect((await health()).status).toBe(200);

    const before = Date.now();
    for (const { mediaFileId } of uploads) {
      expect(await bob.confirm(mediaFileId)).toMatchObject({ status: 200, body: { status: 'processing' } });
    }
    expect((await bob.delete(removed.id)).status).toBe(204);
    expect(Date.now() - before).toBeLessThan(8_000);
    expect(await metrics()).toMatch(/^mediadock_enqueue_failures_total\{job="generate_thumbnails"\} [1-9]/m);
    expect(await metrics()).not.toMatch(/^mediadock_queue_jobs\{/m);

    await redis.start();
    for (const { mediaFileId } of uploads) {
      expect(await bob.settled(mediaFileId)).toMatchObject({ status: 'ready' });
    }
  });

  it('serves requests as before while Redis is full, and does the work when it has room again', async () => {
    const operator = new Redis(redis.url);
    try {
      await operator.config('SET', 'maxmemory', '1');
      const carol = mediadock.as('carol');
      const file = await carol.upload(await photo(120, 90), 'image/jpeg');
      expect(file.status).toBe('processing');
      await until(
        async () =>
          (await metrics()).includes('mediadock_swept_files_total{action="driven"}') ? true : null,
        'the sweeper to try',
      );
      expect((await carol.get(file.id)).body.status).toBe('processing');
      await operator.config('SET', 'maxmemory', '0');
      expect(await carol.settled(file.id)).toMatchObject({ status: 'ready' });
    } finally {
      operator.disconnect();
    }
  });
});
