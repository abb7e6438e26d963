import { Module } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Metrics } from '../common/metrics.js';
import { InProcessQueue } from './in-process-queue.js';
import { JobQueue } from './job-queue.js';

/** Chooses the queue by configuration. */
@Module({
  providers: [
    {
      provide: JobQueue,
      inject: [APP_CONFIG, Metrics],
      useFactory: (config: AppConfig, metrics: Metrics) =>
        new InProcessQueue(metrics, {
          concurrency: config.worker.concurrency,
          attempts: config.worker.jobAttempts,
        }),
    },
  ],
  exports: [JobQueue],
})
export class QueueModule {}
