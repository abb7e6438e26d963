import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { parseEnvironment } from '../../../src/config/parse-environment.js';
import type { RetryPolicy } from '../../../src/storage/gcs/gcs-calls.js';
import {
  GcsObjectStorage,
  type GcsObjectStorageOptions,
} from '../../../src/storage/gcs/gcs-object-storage.js';
import { readServiceAccountKey } from '../../../src/storage/gcs/service-account-key.js';
import type { ObjectMetadata, StorageArea } from '../../../src/storage/object-storage.js';
import { newKey } from '../../contract/object-storage.harness.js';
import { until } from '../api-client.js';
import type { FaultTarget } from './faults.js';
import type { StoredObject } from './object-store.js';
import { type Gcs, type GcsOptions, startGcs } from './start-gcs.js';

export const JPEG: ObjectMetadata = { contentType: 'image/jpeg', originalFileName: 'holiday.jpg' };

/** Pauses of no length to speak of; all the patience of production. */
export const QUICK: Partial<RetryPolicy> = { firstPauseMs: 1, longestPauseMs: 2, attempts: 4 };

/** A strict Cloud Storage and the driver on it, for tests of what happens when something goes wrong between them. */
export class GcsStage {
  private constructor(
    readonly gcs: Gcs,
    readonly storage: GcsObjectStorage,
    private readonly options: GcsObjectStorageOptions,
  ) {}

  static async start(gcsOptions: GcsOptions = {}): Promise<GcsStage> {
    const gcs = await startGcs(gcsOptions);
    const { bucket, uploadBucket, access, publicBaseUrl, readUrlTtlSeconds } = parseEnvironment(
      gcs.environment,
    ).storage;
    const options = {
      bucket,
      uploadBucket,
      access,
      publicBaseUrl,
      readUrlTtlSeconds,
      projectId: null,
      apiEndpoint: gcs.origin,
      serviceAccount: await readServiceAccountKey(gcs.credentialsFile),
      hmacKey: null,
      retry: QUICK,
    };
    return new GcsStage(gcs, new GcsObjectStorage(options), options);
  }

  /** Another driver on the same store. */
  storageWith(overrides: Partial<GcsObjectStorageOptions>): GcsObjectStorage {
    return new GcsObjectStorage({ ...this.options, ...overrides });
  }

  /** What the store has, or an error when it has nothing. */
  stored(area: StorageArea, key: string): StoredObject {
    return this.gcs.server.store.object(this.storage.bucketOf(area), key);
  }

  /** Puts an upload, as a client would; answers its generation. */
  upload(key: string, bytes: Buffer, contentEncoding?: string): string {
    const attributes = {
      contentType: 'image/jpeg',
      ...(contentEncoding !== undefined && { contentEncoding }),
    };
    const { store } = this.gcs.server;
    return store.write(this.storage.bucketOf('uploads'), key, bytes, attributes, null).generation;
  }

  /** The key of a file that was uploaded and promoted. */
  async promoted(size = 5000): Promise<string> {
    const key = newKey();
    await this.storage.promote(key, this.upload(key, randomBytes(size)), JPEG);
    return key;
  }

  /** Waits until no request is under way any more: for those that are never answered, until they are cut off. */
  async allEnded(): Promise<void> {
    const { server } = this.gcs;
    await until(async () => (server.underWay === 0 ? true : null), 'requests to be cut off');
  }
}

export async function bytesOf(storage: GcsObjectStorage, key: string): Promise<Buffer> {
  return buffer(await storage.openRead('media', key));
}

export function isUpload({ path }: FaultTarget): boolean {
  return path.startsWith('/upload/');
}

export function isRewrite({ path }: FaultTarget): boolean {
  return path.includes('/rewriteTo/');
}

export function isMedia({ query }: FaultTarget): boolean {
  return query.get('alt') === 'media';
}
