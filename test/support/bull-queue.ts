import { randomUUID } from 'node:crypto';
import { type DynamicModule, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommonModule } from '../../src/common/common.module.js';
import { Metrics } from '../../src/common/metrics.js';
import { AppConfigModule } from '../../src/config/config.module.js';
import { parseEnvironment } from '../../src/config/parse-environment.js';
import { BullJobQueue } from '../../src/queue/bull/bull-job-queue.js';
import { BullQueueModule, type BullQueueModuleOptions } from '../../src/queue/bull/bull-queue.module.js';
import { JobQueue } from '../../src/queue/job-queue.js';

export interface BullQueueOptions extends BullQueueModuleOptions {
  readonly concurrency?: number;
  readonly attempts?: number;
  readonly logger?: LoggerService | false;
}

export interface OpenBullQueue {
  readonly queue: BullJobQueue;
  readonly metrics: Metrics;
  /** The whole shutdown, as a process does it. */
  readonly close: () => Promise<void>;
}

@Module({})
class QueueOnlyModule {
  static forRoot(url: string, options: BullQueueOptions): DynamicModule {
    const { concurrency = 2, attempts = 3 } = options;
    const config = parseEnvironment({
      WORKER_CONCURRENCY: String(concurrency),
      JOB_ATTEMPTS: String(attempts),
      REDIS_URL: url,
    });
    return {
      module: QueueOnlyModule,
      imports: [
        AppConfigModule.forRoot(config, { jwtSecret: null, storageSigningKey: null }),
        CommonModule,
        BullQueueModule.forRoot(url, options),
      ],
    };
  }
}

/** The queue of production as the application sets it up, without the rest of the application. */
export async function openBullQueue(url: string, options: BullQueueOptions = {}): Promise<OpenBullQueue> {
  const context = await NestFactory.createApplicationContext(QueueOnlyModule.forRoot(url, options), {
    logger: options.logger ?? false,
    abortOnError: false,
  });
  const queue: unknown = context.get(JobQueue, { strict: false });
  if (!(queue instanceof BullJobQueue)) {
    throw new TypeError('The module provides a Bull queue');
  }
  // So that the patience of a question is for the question, and not for the way there. Where Redis is away, that is the test.
  await queue.check().catch(() => {});
  return { queue, metrics: context.get(Metrics, { strict: false }), close: () => context.close() };
}

/** A prefix that no other test uses. */
export function newPrefix(): string {
  return `{test-${randomUUID()}}`;
}
