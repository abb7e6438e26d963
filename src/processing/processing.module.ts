import { Module } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { MediaModule } from '../media/media.module.js';
import { DeleteFilesHandler } from './delete-files.handler.js';
import { GenerateThumbnailsHandler } from './generate-thumbnails.handler.js';
import { ImageProcessor } from './image/image-processor.js';
import { JobWorker } from './job-worker.js';
import { ObjectRemover } from './object-remover.js';
import { Sweeper } from './sweeper.js';

@Module({
  imports: [IdempotencyModule, MediaModule],
  providers: [
    {
      provide: ImageProcessor,
      inject: [APP_CONFIG],
      useFactory: (config: AppConfig) =>
        new ImageProcessor({
          maxPixels: config.media.imageMaxPixels,
          timeoutSeconds: config.worker.processingTimeoutSeconds,
        }),
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
