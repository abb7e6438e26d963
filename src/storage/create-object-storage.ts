import { join } from 'node:path';
import type { AppConfig } from '../config/app-config.js';
import type { Secrets } from '../config/secrets.js';
import { LocalObjectStorage } from './local/local-object-storage.js';
import type { ObjectStorage } from './object-storage.js';

/** @param apiBaseUrl where signed URLs lead; the public address of the API */
export function createLocalStorage(
  config: AppConfig,
  secrets: Secrets,
  apiBaseUrl = config.http.publicBaseUrl,
): LocalObjectStorage {
  if (secrets.storageSigningKey === null) {
    throw new Error('The key that signs local storage URLs has not been loaded');
  }
  return new LocalObjectStorage({
    rootDir: join(config.dataDir, 'objects'),
    bucket: config.storage.bucket,
    uploadBucket: config.storage.uploadBucket,
    access: config.storage.access,
    publicBaseUrl: config.storage.publicBaseUrl,
    apiBaseUrl,
    signingKey: secrets.storageSigningKey,
    readUrlTtlSeconds: config.storage.readUrlTtlSeconds,
  });
}

/** Loaded only where it is used: the client is large, and the embedded default has no need of it. */
export async function createGcsStorage(config: AppConfig): Promise<ObjectStorage> {
  const { GcsObjectStorage } = await import('./gcs/gcs-object-storage.js');
  return GcsObjectStorage.fromConfig(config.storage);
}
