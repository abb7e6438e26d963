import { type DynamicModule, Module } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { SECRETS, type Secrets } from '../config/secrets.js';
import { Metrics } from '../common/metrics.js';
import { createGcsStorage, createLocalStorage } from './create-object-storage.js';
import { LocalObjectStorage } from './local/local-object-storage.js';
import { LocalStorageController } from './local/local-storage.controller.js';
import { MeteredObjectStorage } from './metered-object-storage.js';
import { ObjectStorage } from './object-storage.js';

/** Chooses the object store by configuration, and serves the signed URLs of the one that cannot do it itself. */
@Module({})
export class StorageModule {
  static forRoot(config: AppConfig): DynamicModule {
    return {
      module: StorageModule,
      global: true,
      exports: [ObjectStorage],
      ...(config.storage.driver === 'gcs' ? gcs() : local()),
    };
  }
}

function local(): Pick<DynamicModule, 'providers' | 'controllers'> {
  return {
    controllers: [LocalStorageController],
    providers: [
      {
        provide: LocalObjectStorage,
        inject: [APP_CONFIG, SECRETS],
        useFactory: (config: AppConfig, secrets: Secrets) => createLocalStorage(config, secrets),
      },
      metered(LocalObjectStorage),
    ],
  };
}

const GCS_DRIVER = Symbol('GCS_DRIVER');

function gcs(): Pick<DynamicModule, 'providers'> {
  return {
    providers: [
      { provide: GCS_DRIVER, inject: [APP_CONFIG], useFactory: createGcsStorage },
      metered(GCS_DRIVER),
    ],
  };
}

function metered(driver: typeof LocalObjectStorage | symbol) {
  return {
    provide: ObjectStorage,
    inject: [driver, Metrics],
    useFactory: (storage: ObjectStorage, metrics: Metrics) => new MeteredObjectStorage(storage, metrics),
  };
}
