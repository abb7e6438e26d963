import { Inject, Injectable, Logger } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import type { MediaFile } from '../media/media-file.entity.js';
import { MediaFilesRepository } from '../media/media-files.repository.js';
import { MediaLifecycleRepository } from '../media/media-lifecycle.repository.js';
import { JobQueue } from '../queue/job-queue.js';
import type { JobAttempt, JobOutcome } from '../queue/jobs.js';
import { derivativeKey } from '../storage/object-key.js';
import { ObjectStorage } from '../storage/object-storage.js';
import { ImagePipeline, type ProcessedImage } from './image/image-pipeline.js';
import { PermanentFault, ProcessingTimeout, type ProcessingErrorCode } from './image/processing-fault.js';
import { readOriginal } from './original-reader.js';

const DERIVATIVE_TYPE = 'image/webp';

/**
 * `processing → ready | failed`. May run twice, and at once: the derivatives come out the same, and one conditional
 * update decides who finished. A transient fault throws, which means "again later".
 */
@Injectable()
export class GenerateThumbnailsHandler {
  private readonly logger = new Logger(GenerateThumbnailsHandler.name);

  constructor(
    private readonly files: MediaFilesRepository,
    private readonly lifecycle: MediaLifecycleRepository,
    private readonly storage: ObjectStorage,
    private readonly images: ImagePipeline,
    private readonly queue: JobQueue,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  async run(mediaFileId: string, attempt: JobAttempt): Promise<JobOutcome> {
    const file = await this.files.find(mediaFileId);
    if (file === null || file.deletedAt !== null || file.status !== 'processing') {
      return 'skipped';
    }
    try {
      return await this.process(file);
    } catch (error) {
      const fault = await this.permanentFaultIn(error, file, attempt);
      if (fault === null) {
        throw error;
      }
      return this.fail(file, fault);
    }
  }

  private async process(file: MediaFile): Promise<JobOutcome> {
    const original = await readOriginal(await this.storage.openRead('media', file.storageKey), file.fileSize);
    const image = await this.images.process(original, file.mimeType);
    await this.storeDerivatives(file, image);
    const won = await this.lifecycle.markReady(file.id, {
      contentHash: image.contentHash,
      width: image.width,
      height: image.height,
      metadata: image.metadata,
    });
    if (won) {
      return 'done';
    }
    await this.removeOrphans(file);
    return 'skipped';
  }

  private async storeDerivatives(file: MediaFile, image: ProcessedImage): Promise<void> {
    const metadata = { contentType: DERIVATIVE_TYPE, originalFileName: webpNameOf(file.originalFileName) };
    await Promise.all([
      this.storage.put(derivativeKey(file.storageKey, 'thumbnail'), image.thumbnail, metadata),
      this.storage.put(derivativeKey(file.storageKey, 'medium'), image.medium, metadata),
    ]);
  }

  /** The file was deleted, or failed, under our hands: what we have just written must not stay. */
  private async removeOrphans(file: MediaFile): Promise<void> {
    const now = await this.files.find(file.id);
    if (now?.isLive) {
      return;
    }
    await Promise.all([
      this.storage.delete('media', derivativeKey(file.storageKey, 'thumbnail')),
      this.storage.delete('media', derivativeKey(file.storageKey, 'medium')),
    ]);
  }

  /** A time-out is permanent only when every attempt of this round ended so; anything else may pass by itself. */
  private async permanentFaultIn(
    error: unknown,
    file: MediaFile,
    attempt: JobAttempt,
  ): Promise<{ code: ProcessingErrorCode; detail: string } | null> {
    if (error instanceof PermanentFault) {
      return { code: error.code, detail: error.message };
    }
    if (error instanceof ProcessingTimeout) {
      const timeouts = await this.lifecycle.countTimeout(file.id, attempt.number === 1);
      return attempt.last && timeouts >= attempt.number
        ? { code: 'processing_timeout', detail: error.message }
        : null;
    }
    if (file.timeoutCount > 0) {
      await this.lifecycle.forgetTimeouts(file.id);
    }
    return null;
  }

  private async fail(
    file: MediaFile,
    fault: { code: ProcessingErrorCode; detail: string },
  ): Promise<JobOutcome> {
    if (!(await this.lifecycle.markFailed(file.id, fault.code, this.config.worker.sweepIntervalSeconds))) {
      return 'skipped';
    }
    this.logger.log({ mediaFileId: file.id, code: fault.code }, `A file failed for good: ${fault.detail}`);
    await this.queue.enqueue({ name: 'delete_files', mediaFileId: file.id });
    return 'failed';
  }
}

/** What a downloaded derivative is called: the user's name for the file, with the extension that is true of it. */
function webpNameOf(originalFileName: string): string {
  return `${originalFileName.replace(/\.[^.]{1,8}$/, '')}.webp`;
}
