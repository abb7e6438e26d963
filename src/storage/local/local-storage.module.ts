import { Module } from '@nestjs/common';
import { STORAGE_DRIVER, StorageModule } from '../storage.module.js';
import { LocalObjectStorage } from './local-object-storage.js';
import { LocalStorageController } from './local-storage.controller.js';

/** Serves the signed URLs of the local driver. Imported only where that driver is in use. */
@Module({
  imports: [StorageModule],
  controllers: [LocalStorageController],
  providers: [
    {
      provide: LocalObjectStorage,
      inject: [STORAGE_DRIVER],
      useFactory: (driver: LocalObjectStorage) => driver,
    },
  ],
})
export class LocalStorageModule {}
