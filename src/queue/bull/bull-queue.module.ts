import { BullModule, getQueueToken } from '@nestjs/bull';
import { type DynamicModule, Module } from '@nestjs/common';
import type { Queue } from 'bull';
import { Metrics } from '../../common/metrics.js';
import { APP_CONFIG, type AppConfig } from '../../config/app-config.js';
import { JobQueue } from '../job-queue.js';
import { BullJobQueue } from './bull-job-queue.js';
import { bullOptions, type BullTimings, connectionName, KEY_PREFIX, QUEUE_NAME } from './bull-options.js';
import { RedisConnections } from './redis-connections.js';

export interface BullQueueModuleOptions {
  /** Keeps queues on one Redis apart. */
  readonly prefix?: string;
  /** Milliseconds; only tests have reason to differ. */
  readonly timings?: BullTimings;
}

/** Provides the queue on Redis. Nothing is connected before the application is initialised. */
@Module({})
export class BullQueueModule {
  static forRoot(url: string, options: BullQueueModuleOptions = {}): DynamicModule {
    const prefix = options.prefix ?? KEY_PREFIX;
    const connections = new RedisConnections(url, connectionName(prefix));
    return {
      module: BullQueueModule,
      global: true,
      imports: [
        BullModule.forRoot(bullOptions(connections, prefix, options.timings ?? {})),
        BullModule.registerQueue({ name: QUEUE_NAME }),
      ],
      providers: [
        {
          provide: JobQueue,
          inject: [getQueueToken(QUEUE_NAME), APP_CONFIG, Metrics],
          useFactory: (queue: Queue, config: AppConfig, metrics: Metrics) =>
            new BullJobQueue(queue, connections, metrics, {
              concurrency: config.worker.concurrency,
              attempts: config.worker.jobAttempts,
            }),
        },
      ],
      exports: [JobQueue],
    };
  }
}
