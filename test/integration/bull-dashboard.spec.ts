import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPort } from '../support/own-port.js';
import { CommonModule } from '../../src/common/common.module.js';
import type { AppConfig } from '../../src/config/app-config.js';
import { AppConfigModule } from '../../src/config/config.module.js';
import { parseEnvironment } from '../../src/config/parse-environment.js';
import { BullQueueModule } from '../../src/queue/bull/bull-queue.module.js';
import { mountQueueDashboard } from '../../src/queue/bull/queue-dashboard.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import { until } from '../support/api-client.js';
import { newPrefix } from '../support/bull-queue.js';
import { startRedis, type TestRedis } from '../support/redis.js';

const CREDENTIALS = { QUEUE_DASHBOARD_USER: 'operator', QUEUE_DASHBOARD_PASSWORD: 'correct horse: battery' };

@Module({})
class QueueOnlyModule {
  static forRoot(config: AppConfig, url: string): DynamicModule {
    return {
      module: QueueOnlyModule,
      imports: [
        AppConfigModule.forRoot(config, { jwtSecret: null, storageSigningKey: null }),
        CommonModule,
        BullQueueModule.forRoot(url, { prefix: newPrefix() }),
      ],
    };
  }
}

function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

const SIGNED_IN = basic('operator', CREDENTIALS.QUEUE_DASHBOARD_PASSWORD);

describe(mountQueueDashboard.name, () => {
  const apps: NestExpressApplication[] = [];
  let redis: TestRedis;

  beforeAll(async () => {
    redis = await startRedis({ own: true });
  }, 240_000);
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await redis.close();
  });

  /** A server with the dashboard behind the headers that the application gives to every answer. */
  async function serve(environment: Record<string, string>): Promise<{ baseUrl: string; queue: JobQueue }> {
    const port = await ownPort();
    const config = parseEnvironment({ PORT: String(port), REDIS_URL: redis.url, ...environment });
    const app = await NestFactory.create<NestExpressApplication>(QueueOnlyModule.forRoot(config, redis.url), {
      logger: false,
      abortOnError: false,
    });
    apps.push(app);
    app.use(
      helmet({ contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"] } } }),
    );
    const queue = app.get(JobQueue, { strict: false });
    mountQueueDashboard(app, config, queue);
    await app.listen(port, '127.0.0.1');
    return { baseUrl: `http://127.0.0.1:${port}`, queue };
  }

  it('is not there without credentials in the configuration', async () => {
    const { baseUrl } = await serve({});
    for (const path of ['/admin/queues', '/admin/queues/', '/admin/queues/api/queues']) {
      const response = await fetch(`${baseUrl}${path}`, { headers: SIGNED_IN });
      expect(response.status).toBe(404);
    }
  });

  describe('with credentials', () => {
    let baseUrl: string;
    let queue: JobQueue;

    beforeAll(async () => {
      ({ baseUrl, queue } = await serve({ ...CREDENTIALS, PUBLIC_BASE_URL: 'https://media.example.com' }));
      await until(
        () =>
          queue.check().then(
            () => true,
            () => null,
          ),
        'the queue to be well',
      );
    });

    const get = (path: string, headers: Record<string, string> = SIGNED_IN) =>
      fetch(`${baseUrl}/admin/queues${path}`, { headers });
    const pause = (headers: Record<string, string>) =>
      fetch(`${baseUrl}/admin/queues/api/queues/pause`, {
        method: 'PUT',
        headers: { ...SIGNED_IN, ...headers },
      });

    const untilStatus = (status: number) =>
      until(async () => {
        const response = await get('/api/queues');
        return response.status === status ? response.text() : null;
      }, `an answer with ${status}`);

    it.each([
      ['nothing', {}],
      ['another password', basic('operator', 'correct horse')],
      ['another user', basic('root', CREDENTIALS.QUEUE_DASHBOARD_PASSWORD)],
      ['an empty password', basic('operator', '')],
      ['a token', { authorization: 'Bearer operator' }],
      ['half a header', { authorization: 'Basic' }],
      ['no base64', { authorization: 'Basic \u00ff\u00ff' }],
    ])('asks for them when %s was sent', async (_what, headers) => {
      for (const path of ['', '/', '/api/queues', '/static/favicon.ico']) {
        const response = await get(path, headers);
        expect(response.status).toBe(401);
        expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
      }
    });

    it('serves a page whose scripts and styles load under its own policy', async () => {
      const page = await get('');
      const html = await page.text();
      expect(page.status).toBe(200);
      expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
      expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(html).toContain('<base href="/admin/queues/" />');
      const own = [...html.matchAll(/(?:src|href)="(static\/[^"]+\.(?:js|css))"/g)].map((match) => match[1]);
      expect(own.length).toBeGreaterThan(1);
      for (const path of own) {
        expect((await get(`/${path}`)).status).toBe(200);
      }
      // The policy forbids what stands in the page itself, so nothing may.
      expect(html).not.toMatch(/<script(?![^>]*(?:src=|type="application\/json"))/);
    });

    it('shows the jobs', async () => {
      await queue.enqueue({ name: 'generate_thumbnails', mediaFileId: 'a' });
      const response = await get('/api/queues?activeQueue=jobs&status=waiting');
      expect(await response.json()).toMatchObject({
        queues: [{ name: 'jobs', counts: { waiting: 1 }, jobs: [{ id: 'generate_thumbnails:a' }] }],
      });
    });

    it('does what an operator asks for, but nothing that another site asks for in their name', async () => {
      for (const origin of [
        'https://evil.example.com',
        'null',
        'https://media.example.com.evil.example.com',
      ]) {
        expect((await pause({ origin })).status).toBe(403);
      }
      for (const origin of [baseUrl, 'https://media.example.com']) {
        expect((await pause({ origin })).status).toBe(200);
      }
      expect((await pause({})).status).toBe(200);
    });

    it('answers at once while Redis is away', async () => {
      await redis.stop();
      expect(await untilStatus(503)).toBe('Redis does not answer now');
      await redis.start();
      expect(await untilStatus(200)).toContain('"queues"');
    });
  });
});
