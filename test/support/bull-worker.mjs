// A process of its own that takes jobs and never finishes one, so that a test can kill it in the middle.
// Arguments: URL of Redis, prefix of the keys, life of a lock and interval of the check for stalled jobs in milliseconds.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { CommonModule } from '../../dist/src/common/common.module.js';
import { AppConfigModule } from '../../dist/src/config/config.module.js';
import { parseEnvironment } from '../../dist/src/config/parse-environment.js';
import { BullQueueModule } from '../../dist/src/queue/bull/bull-queue.module.js';
import { JobQueue } from '../../dist/src/queue/job-queue.js';

const [url, prefix, lockDuration, stalledInterval] = process.argv.slice(2);

class WorkerModule {}

const context = await NestFactory.createApplicationContext({
  module: WorkerModule,
  imports: [
    AppConfigModule.forRoot(parseEnvironment({ WORKER_CONCURRENCY: '1', REDIS_URL: url }), {
      jwtSecret: null,
      storageSigningKey: null,
    }),
    CommonModule,
    BullQueueModule.forRoot(url, {
      prefix,
      timings: { lockDuration: Number(lockDuration), stalledInterval: Number(stalledInterval) },
    }),
  ],
});

context.get(JobQueue, { strict: false }).consume(async ({ mediaFileId }) => {
  process.stdout.write(`started ${mediaFileId}\n`);
  return new Promise(() => {});
});
