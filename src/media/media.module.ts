import { MikroOrmModule } from '@mikro-orm/nestjs';
import { Module } from '@nestjs/common';
import { MulterModule } from '@nestjs/platform-express';
import { memoryStorage } from 'multer';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { QuotaModule } from '../quota/quota.module.js';
import { BatchUploadsController } from './batch-uploads.controller.js';
import { BatchUploadsPresenter } from './batch-uploads.presenter.js';
import { BatchUploadsRepository } from './batch-uploads.repository.js';
import { BatchUploadsService } from './batch-uploads.service.js';
import { DirectUploadService } from './direct-upload.service.js';
import { MediaController } from './media.controller.js';
import { MediaFileSchema } from './media-file.schema.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import { MediaFilesRepository } from './media-files.repository.js';
import { MediaFilesService } from './media-files.service.js';
import { MediaLifecycleRepository } from './media-lifecycle.repository.js';
import { SettledFiles } from './settled-files.js';
import { SharedChangesRepository } from './shared-changes.repository.js';
import { UploadRequestPresenter } from './upload-request.presenter.js';
import { UploadsController } from './uploads.controller.js';
import { UploadsService } from './uploads.service.js';

@Module({
  imports: [
    MikroOrmModule.forFeature([MediaFileSchema]),
    IdempotencyModule,
    QuotaModule,
    MulterModule.registerAsync({
      inject: [APP_CONFIG],
      useFactory: (config: AppConfig) => ({
        storage: memoryStorage(),
        // Browsers and curl send names as UTF-8 (RFC 7578, section 5.1); the parser's default is Latin-1.
        defParamCharset: 'utf8',
        // A name is made safe in one place, whichever way it comes; the parser would cut it down to nothing at times.
        preservePath: true,
        limits: { fileSize: config.media.directUploadMaxBytes, files: 1, fields: 0, parts: 1 },
      }),
    }),
  ],
  controllers: [UploadsController, BatchUploadsController, MediaController],
  providers: [
    BatchUploadsPresenter,
    BatchUploadsRepository,
    BatchUploadsService,
    DirectUploadService,
    MediaFilePresenter,
    MediaFilesRepository,
    MediaFilesService,
    MediaLifecycleRepository,
    SettledFiles,
    SharedChangesRepository,
    UploadRequestPresenter,
    UploadsService,
  ],
  exports: [MediaLifecycleRepository, MediaFilesRepository],
})
export class MediaModule {}
