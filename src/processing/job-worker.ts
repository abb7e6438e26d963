import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Metrics } from '../common/metrics.js';
import { JobQueue } from '../queue/job-queue.js';
import type { Job, JobAttempt, JobOutcome } from '../queue/jobs.js';
import { DeleteFilesHandler } from './delete-files.handler.js';
import { GenerateThumbnailsHandler } from './generate-thumbnails.handler.js';

/** Of the ten seconds in which a process has to end, jobs get this much to finish. */
const DRAIN_TIMEOUT_MS = 6_000;

/** Takes jobs from the queue to their handlers, and keeps count of what becomes of them. */
@Injectable()
export class JobWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(JobWorker.name);

  constructor(
    private readonly queue: JobQueue,
    private readonly generateThumbnails: GenerateThumbnailsHandler,
    private readonly deleteFiles: DeleteFilesHandler,
    private readonly metrics: Metrics,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.role !== 'api') {
      this.queue.consume((job, attempt) => this.run(job, attempt));
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.queue.close(DRAIN_TIMEOUT_MS);
  }

  private async run(job: Job, attempt: JobAttempt): Promise<JobOutcome> {
    const stop = this.metrics.jobs.startTimer({ job: job.name });
    try {
      const outcome = await this.dispatch(job, attempt);
      stop({ outcome });
      return outcome;
    } catch (error) {
      stop({ outcome: 'retried' });
      this.logger.warn(
        { err: error, job, attempt: attempt.number },
        'A job did not succeed and will be tried again',
      );
      throw error;
    }
  }

  /** A job without a case here does not compile: the function would end without an outcome. */
  private async dispatch(job: Job, attempt: JobAttempt): Promise<JobOutcome> {
    switch (job.name) {
      case 'generate_thumbnails':
        return this.generateThumbnails.run(job.mediaFileId, attempt);
      case 'delete_files':
        return this.deleteFiles.run(job.mediaFileId);
    }
  }
}
