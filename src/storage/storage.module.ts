import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { SECRETS, type Secrets } from '../config/secrets.js';
import { Metrics } from '../common/metrics.js';
import { LocalObjectStorage } from './local/local-object-storage.js';
import { MeteredObjectStorage } from './metered-object-storage.js';
import { ObjectStorage } from './object-storage.js';

/** The driver itself, without the metering around it; for the part that serves the driver's own URLs. */
export const STORAGE_DRIVER = Symbol('STORAGE_DRIVER');

/** Chooses the object store by configuration. */
@Module({
  providers: [
    { provide: STORAGE_DRIVER, inject: [APP_CONFIG, SECRETS], useFactory: createDriver },
    {
      provide: ObjectStorage,
      inject: [STORAGE_DRIVER, Metrics],
      useFactory: (driver: ObjectStorage, metrics: Metrics) => new MeteredObjectStorage(driver, metrics),
    },
  ],
  exports: [ObjectStorage, STORAGE_DRIVER],
})
export class StorageModule {}

function createDriver(config: AppConfig, secrets: Secrets): ObjectStorage {
  if (secrets.storageSigningKey === null) {
    throw new Error('The key that signs local storage URLs has not been loaded');
  }
  return new LocalObjectStorage({
    rootDir: join(config.dataDir, 'objects'),
    bucket: config.storage.bucket,
    uploadBucket: config.storage.uploadBucket,
    access: config.storage.access,
    publicBaseUrl: config.storage.publicBaseUrl,
    apiBaseUrl: config.http.publicBaseUrl,
    signingKey: secrets.storageSigningKey,
    readUrlTtlSeconds: config.storage.readUrlTtlSeconds,
  });
}
