import { type DynamicModule, Module } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Metrics } from '../common/metrics.js';
import { InProcessQueue } from './in-process-queue.js';
import { JobQueue } from './job-queue.js';

/** Chooses the queue by configuration. */
@Module({})
export class QueueModule {
  static async forRoot(config: AppConfig): Promise<DynamicModule> {
    if (config.redis.url !== null) {
      // Loaded only where it is used: the embedded default needs neither Redis nor its client.
      const { BullQueueModule } = await import('./bull/bull-queue.module.js');
      return BullQueueModule.forRoot(config.redis.url);
    }
    return {
      module: QueueModule,
      global: true,
      providers: [
        {
          provide: JobQueue,
          inject: [APP_CONFIG, Metrics],
          useFactory: (settings: AppConfig, metrics: Metrics) =>
            new InProcessQueue(metrics, {
              concurrency: settings.worker.concurrency,
              attempts: settings.worker.jobAttempts,
            }),
        },
      ],
      exports: [JobQueue],
    };
  }
}
