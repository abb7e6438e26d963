import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { File, FileMetadata, Storage } from '@google-cloud/storage';
import { NIL } from 'uuid';
import type { AppConfig, HmacKey } from '../../config/app-config.js';
import { inlineDisposition } from '../inline-disposition.js';
import { assertObjectKey } from '../object-key.js';
import {
  type ObjectHead,
  type ObjectMetadata,
  type ObjectStat,
  ObjectStorage,
  type SignedUpload,
  type SignedUploadRequest,
  type StorageArea,
} from '../object-storage.js';
import { ObjectNotFoundError, StorageUnavailableError } from '../storage.errors.js';
import { DEFAULT_RETRY_POLICY, GcsCalls, type RetryPolicy } from './gcs-calls.js';
import { createGcsClient, type GcsClientOptions, GOOGLE_ENDPOINT } from './gcs-client.js';
import { PreconditionFailedError } from './gcs-errors.js';
import { GcsUrls } from './gcs-urls.js';
import { openObject, readFirstBytes } from './object-reader.js';
import { readServiceAccountKey } from './service-account-key.js';

export interface GcsObjectStorageOptions extends GcsClientOptions {
  /** Names of the two buckets. */
  readonly bucket: string;
  readonly uploadBucket: string;
  readonly access: 'public' | 'private';
  /** What plain read URLs start with, without a trailing slash. */
  readonly publicBaseUrl: string;
  /** The longest that a private read URL is valid; half of it is the shortest. */
  readonly readUrlTtlSeconds: number;
  readonly retry?: Partial<RetryPolicy>;
  /** null: URLs are signed as the credentials can. */
  readonly hmacKey: HmacKey | null;
  /** Where `signBlob` of the IAM Credentials API is, when it is not Google's own address. */
  readonly signingEndpoint?: string;
}

/** The generation of an object that is not there (Cloud Storage, "Request preconditions"). */
const NO_OBJECT = '0';
/** How often a write is begun anew when the object that it met is gone again. */
const WRITE_ROUNDS = 5;
/** Says which upload a media object was copied from. */
const PROMOTED_FROM = 'promoted-from';
/** A key that no file ever has. */
const PROBE_KEY = `users/${NIL}/image/1970/01/${NIL}.jpg`;

/**
 * Object storage in two buckets of Google Cloud Storage. What they have to be is for `npm run storage:setup`.
 *
 * Credentials are a service account's key file, or else Application Default Credentials, so that Workload Identity and
 * the metadata server work without any key; URLs are then signed by the IAM Credentials API, or with an HMAC key.
 *
 * Every write is bound to a generation, so each may be tried again when its answer was lost: either it finds what it
 * has written already, or it writes now. Only a seal is not, for two of them are as good as one.
 */
export class GcsObjectStorage extends ObjectStorage {
  private readonly client: Storage;
  private readonly calls: GcsCalls;
  private readonly urls: GcsUrls;

  constructor(private readonly options: GcsObjectStorageOptions) {
    super();
    this.client = createGcsClient(options);
    this.calls = new GcsCalls({ ...DEFAULT_RETRY_POLICY, ...options.retry });
    this.urls = new GcsUrls(this.client, this.calls, options);
  }

  /** @throws ConfigError when the key file is not one */
  static async fromConfig(config: AppConfig['storage']): Promise<GcsObjectStorage> {
    const { bucket, uploadBucket, access, publicBaseUrl, readUrlTtlSeconds } = config;
    const { projectId, apiEndpoint, credentialsFile, hmacKey } = config.gcs;
    return new GcsObjectStorage({
      bucket,
      uploadBucket,
      access,
      publicBaseUrl,
      readUrlTtlSeconds,
      projectId,
      hmacKey,
      apiEndpoint: apiEndpoint ?? GOOGLE_ENDPOINT,
      serviceAccount: credentialsFile === null ? null : await readServiceAccountKey(credentialsFile),
    });
  }

  override bucketOf(area: StorageArea): string {
    return area === 'uploads' ? this.options.uploadBucket : this.options.bucket;
  }

  override async signUpload(request: SignedUploadRequest): Promise<SignedUpload> {
    assertObjectKey(request.key);
    return this.urls.signUpload(request);
  }

  override async stat(area: StorageArea, key: string): Promise<ObjectStat | null> {
    const found = await this.find('stat', area, key);
    if (found === null || isSeal(area, found)) {
      return null;
    }
    return { size: Number(found.size), generation: String(found.generation) };
  }

  override async readHead(area: StorageArea, key: string, length: number): Promise<ObjectHead> {
    const file = this.fileOf(area, key);
    const head = await this.calls.run('readHead', (requests) => readFirstBytes(file, requests, length));
    if (head !== null) {
      return head;
    }
    const found = await this.stat(area, key);
    if (found === null) {
      throw new ObjectNotFoundError('readHead');
    }
    return { ...found, bytes: Buffer.alloc(0) };
  }

  override async openRead(area: StorageArea, key: string): Promise<Readable> {
    const file = this.fileOf(area, key);
    const { stallTimeoutMs } = this.calls.policy;
    return this.calls.run('openRead', (requests) => openObject(file, requests, stallTimeoutMs));
  }

  override async promote(key: string, generation: string, metadata: ObjectMetadata): Promise<void> {
    const upload = this.fileOf('uploads', key, generation);
    const target = this.fileOf('media', key);
    const served = { ...this.servedAs(metadata), metadata: { [PROMOTED_FROM]: generation } };
    const isDone = (found: FileMetadata | null) => found?.metadata?.[PROMOTED_FROM] === generation;
    try {
      await this.write('promote', key, isDone, async (ifGenerationMatch) => {
        await upload.copy(target, { ...served, preconditionOpts: { ifGenerationMatch } });
      });
    } catch (error) {
      // The upload may be gone because all of this has happened before.
      if (error instanceof ObjectNotFoundError && isDone(await this.find('promote', 'media', key))) {
        return;
      }
      throw error;
    }
  }

  override async put(key: string, body: Buffer, metadata: ObjectMetadata): Promise<void> {
    const file = this.fileOf('media', key);
    // The store refuses bytes that do not match, so nothing half-written is ever visible.
    const md5Hash = createHash('md5').update(body).digest('base64');
    const wanted = { ...this.servedAs(metadata), md5Hash };
    const isDone = (found: FileMetadata | null) =>
      found !== null &&
      found.md5Hash === md5Hash &&
      found.contentType === wanted.contentType &&
      found.cacheControl === wanted.cacheControl &&
      found.contentDisposition === wanted.contentDisposition;
    await this.write('put', key, isDone, async (ifGenerationMatch) => {
      const preconditionOpts = { ifGenerationMatch };
      await file.save(body, {
        resumable: false,
        validation: false,
        metadata: { ...wanted },
        preconditionOpts,
      });
    });
  }

  override async delete(area: StorageArea, key: string, generation?: string): Promise<void> {
    const ifGenerationMatch = generation ?? (await this.find('delete', area, key))?.generation;
    if (ifGenerationMatch === undefined) {
      return;
    }
    const file = this.fileOf(area, key);
    try {
      await this.calls.run('delete', () => file.delete({ ifGenerationMatch }));
    } catch (error) {
      // Gone, or gone and written anew since.
      if (!(error instanceof ObjectNotFoundError || error instanceof PreconditionFailedError)) {
        throw error;
      }
    }
  }

  /** An object without bytes: the precondition of a signed URL finds the place taken, and the place takes no room. */
  override async seal(key: string): Promise<void> {
    const file = this.fileOf('uploads', key);
    await this.calls.run('seal', () => file.save(Buffer.alloc(0), { resumable: false, validation: false }));
  }

  override async readUrl(key: string): Promise<string> {
    assertObjectKey(key);
    return this.options.access === 'public'
      ? `${this.options.publicBaseUrl}/${key}`
      : this.urls.signRead(key);
  }

  /** Nothing: the lifecycle rule of the upload bucket does it, and a write to a bucket is never half there. */
  override async removeAbandoned(): Promise<number> {
    return 0;
  }

  /** Asks for an object that is not there, which takes no right that other calls do not need as well. */
  override async check(): Promise<void> {
    await Promise.all([this.find('check', 'uploads', PROBE_KEY), this.find('check', 'media', PROBE_KEY)]);
  }

  /**
   * Writes a media object whatever is there before, though each write names the generation that it replaces.
   *
   * @param isDone whether what is there is what was to be written
   * @param write to be tried again on faults that may pass; `ifGenerationMatch` is what it replaces
   */
  private async write(
    operation: string,
    key: string,
    isDone: (found: FileMetadata | null) => boolean,
    write: (ifGenerationMatch: string) => Promise<void>,
  ): Promise<void> {
    let generation = NO_OBJECT;
    for (let round = 1; round <= WRITE_ROUNDS; round += 1) {
      try {
        await this.calls.transfer(operation, () => write(generation));
        return;
      } catch (error) {
        if (!(error instanceof PreconditionFailedError)) {
          throw error;
        }
      }
      if (generation !== NO_OBJECT) {
        // Somebody else has written since we looked: as if we had been first, and they had replaced it at once.
        return;
      }
      const found = await this.find(operation, 'media', key);
      if (isDone(found)) {
        return;
      }
      generation = found === null ? NO_OBJECT : String(found.generation);
    }
    throw new StorageUnavailableError(operation, {
      cause: new Error('The object came and went all the time'),
    });
  }

  private async find(operation: string, area: StorageArea, key: string): Promise<FileMetadata | null> {
    const file = this.fileOf(area, key);
    try {
      const [found] = await this.calls.run(operation, () => file.getMetadata());
      return found;
    } catch (error) {
      if (error instanceof ObjectNotFoundError) {
        return null;
      }
      throw error;
    }
  }

  /** @throws InvalidObjectKeyError */
  private fileOf(area: StorageArea, key: string, generation?: string): File {
    assertObjectKey(key);
    return this.client.bucket(this.bucketOf(area)).file(key, generation === undefined ? {} : { generation });
  }

  /** A key is never given to other bytes, so whoever has them may keep them; a shared cache only if everyone may. */
  private servedAs({ contentType, originalFileName }: ObjectMetadata) {
    const cacheControl =
      this.options.access === 'public'
        ? 'public, max-age=31536000, immutable'
        : `private, max-age=${this.options.readUrlTtlSeconds}, immutable`;
    return { contentType, contentDisposition: inlineDisposition(originalFileName), cacheControl };
  }
}

/** No upload is without bytes: they are at least one, and exactly as many as were signed. */
function isSeal(area: StorageArea, { size }: FileMetadata): boolean {
  return area === 'uploads' && Number(size) === 0;
}
