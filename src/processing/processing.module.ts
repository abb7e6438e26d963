import { existsSync } from 'node:fs';
import { Module } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { MediaModule } from '../media/media.module.js';
import { DeleteFilesHandler } from './delete-files.handler.js';
import { GenerateThumbnailsHandler } from './generate-thumbnails.handler.js';
import { ImagePipeline } from './image/image-pipeline.js';
import { ImageThread } from './image/image-thread.js';
import { JobWorker } from './job-worker.js';
import { ObjectRemover } from './object-remover.js';
import { Sweeper } from './sweeper.js';

const THREAD_ENTRY = new URL('image/image-thread-entry.js', import.meta.url);

/** Run from its source, as by tests, the application has no compiled file that a thread could begin with. */
async function createImagePipeline({ media, worker }: AppConfig): Promise<ImagePipeline> {
  const limits = { maxPixels: media.imageMaxPixels, timeoutSeconds: worker.processingTimeoutSeconds };
  if (existsSync(THREAD_ENTRY)) {
    return new ImageThread(limits, THREAD_ENTRY);
  }
  // Loaded only here: the main thread of a process that never sees an image needs no libvips.
  const { ImageProcessor } = await import('./image/image-processor.js');
  return new ImageProcessor(limits);
}

@Module({
  imports: [IdempotencyModule, MediaModule],
  providers: [
    {
      provide: ImagePipeline,
      inject: [APP_CONFIG],
      useFactory: createImagePipeline,
    },
    DeleteFilesHandler,
    GenerateThumbnailsHandler,
    JobWorker,
    ObjectRemover,
    Sweeper,
  ],
  exports: [Sweeper],
})
export class ProcessingModule {}
