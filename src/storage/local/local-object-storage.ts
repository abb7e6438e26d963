import { closeSync, constants, createReadStream } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import type { OnApplicationShutdown } from '@nestjs/common';
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
import { readExpiry } from '../read-expiry.js';
import { ObjectNotFoundError, StorageUnavailableError } from '../storage.errors.js';
import { isFileSystemError, type OpenedFile, readStart } from './durable-files.js';
import { LengthMismatchError, ObjectExistsError, UploadInterruptedError } from './local-upload.errors.js';
import { InTurn } from './in-turn.js';
import { LocalUrlSigner } from './local-url-signer.js';
import { ObjectFiles, type StoredObject } from './object-files.js';
import { ObjectPaths } from './object-path.js';
import { Seals } from './seals.js';
import { TemporaryFiles } from './temporary-files.js';

export interface LocalObjectStorageOptions {
  /** Folder of all objects; made when it is not there. */
  readonly rootDir: string;
  /** Names shown for the two areas. */
  readonly bucket: string;
  readonly uploadBucket: string;
  readonly access: 'public' | 'private';
  /** What plain read URLs start with, without a trailing slash. */
  readonly publicBaseUrl: string;
  /** Where the API itself can be reached, without a trailing slash and without `/v1`; signed URLs start with it. */
  readonly apiBaseUrl: string;
  /** At least 32 bytes; the same in every process that shares `rootDir`. */
  readonly signingKey: Buffer;
  /** The longest that a private read URL is valid; half of it is the shortest. */
  readonly readUrlTtlSeconds: number;
  /** False on a file system that has none. Where they only fail now and then, they are replaced by copies anyway. */
  readonly hardLinks?: boolean;
}

/**
 * Read at once at most. Every piece is a trip to another thread and back, and memory that has to be collected; an image,
 * which is bounded by `IMAGE_MAX_BYTES`, mostly is one piece.
 */
const READ_BYTES = 16 * 1024 * 1024;
/**
 * Of one upload. With any number, a single URL would fill the disk with bodies of which one can win; with one, nobody could try
 * again while a connection that has died is waited for.
 */
const BODIES_AT_ONCE = 2;

/** What the signature of an upload allowed it to be. */
export interface UploadTerms {
  /** Bytes, exactly. */
  readonly contentLength: number;
}

/**
 * Object storage on a local disk, with signed URLs that the API answers itself (`LocalStorageController`). Any number
 * of processes may share the folder.
 */
export class LocalObjectStorage extends ObjectStorage implements OnApplicationShutdown {
  readonly access: 'public' | 'private';
  readonly signer: LocalUrlSigner;
  private readonly paths: ObjectPaths;
  private readonly temporaries: TemporaryFiles;
  private readonly files: ObjectFiles;
  private readonly receiving = new InTurn(BODIES_AT_ONCE);
  private readonly seals: Seals;

  constructor(private readonly options: LocalObjectStorageOptions) {
    super();
    this.access = options.access;
    this.signer = new LocalUrlSigner(options.signingKey);
    this.paths = new ObjectPaths(options.rootDir);
    this.temporaries = new TemporaryFiles(this.paths);
    this.files = new ObjectFiles(this.paths, this.temporaries, options.hardLinks ?? true);
    this.seals = new Seals(this.paths);
  }

  override bucketOf(area: StorageArea): string {
    return area === 'uploads' ? this.options.uploadBucket : this.options.bucket;
  }

  override async signUpload(request: SignedUploadRequest): Promise<SignedUpload> {
    const { key, contentType, contentLength } = request;
    const expires = Math.floor(request.expiresAt.getTime() / 1000);
    const contentLengthRange = `${contentLength},${contentLength}`;
    const ifGenerationMatch = '0';
    const facts = { key, expires, contentType, contentLengthRange, ifGenerationMatch };
    return {
      url: `${this.options.apiBaseUrl}/v1/storage/uploads/${key}?${signedQuery(expires, this.signer.signUpload(facts))}`,
      headers: {
        'content-type': contentType,
        'x-goog-content-length-range': contentLengthRange,
        'x-goog-if-generation-match': ifGenerationMatch,
      },
    };
  }

  /**
   * Stores what came with a signed PUT. The caller has checked the signature; the rest of what was signed is
   * enforced here. Leaves nothing behind when it throws. Of one upload, only so many bodies are read at once; the others wait.
   *
   * @throws ObjectExistsError before the body is read when there is an object, or a seal; after it when another upload was
   * faster, or a seal
   * @throws LengthMismatchError as soon as the body is too long, or ends too early
   * @throws UploadInterruptedError when the body breaks off
   */
  async receiveUpload(key: string, body: AsyncIterable<Uint8Array>, terms: UploadTerms): Promise<ObjectStat> {
    return translateErrors('receiveUpload', () =>
      this.receiving.run(key, async () => {
        if ((await this.seals.isSet(key)) || (await this.files.findUpload(key)) !== null) {
          throw new ObjectExistsError();
        }
        const stored = await this.files.create(key, exactly(body, terms.contentLength));
        // Whoever seals marks first and removes then, so one of the two finds what the other has done.
        if (this.seals.isSetNow(key)) {
          await this.files.remove('uploads', key, stored.generation);
          throw new ObjectExistsError();
        }
        return stored;
      }),
    );
  }

  override async stat(area: StorageArea, key: string): Promise<ObjectStat | null> {
    return translateErrors('stat', async () => {
      const found = area === 'media' ? await this.files.findMedia(key) : await this.files.findUpload(key);
      return found && { size: found.size, generation: found.generation };
    });
  }

  override async readHead(area: StorageArea, key: string, length: number): Promise<ObjectHead> {
    return translateErrors('readHead', async () => {
      const file = await this.open('readHead', area, key);
      try {
        const { size, generation } = file;
        return { size, generation, bytes: await readStart(file, length) };
      } finally {
        closeSync(file.fd);
      }
    });
  }

  override async openRead(area: StorageArea, key: string): Promise<Readable> {
    return translateErrors('openRead', async () => {
      const { fd, size } = await this.open('openRead', area, key);
      if (size === 0) {
        closeSync(fd);
        return Readable.from([]);
      }
      const highWaterMark = Math.min(size, READ_BYTES);
      // The bytes of a file never change. Without the end, one more piece would be read to find that there is none.
      const bytes = createReadStream('', { fd, start: 0, end: size - 1, highWaterMark });
      const readable = new PassThrough({ highWaterMark });
      bytes.once('error', (cause) => readable.destroy(new StorageUnavailableError('openRead', { cause })));
      // A reader that loses interest must not leave the file open.
      readable.once('close', () => bytes.destroy());
      return bytes.pipe(readable);
    });
  }

  override async promote(key: string, generation: string, metadata: ObjectMetadata): Promise<void> {
    await translateErrors('promote', async () => {
      const { contentType, originalFileName } = metadata;
      const sidecar = { contentType, originalFileName, promotedFrom: generation };
      if (!(await this.files.promote(key, generation, sidecar))) {
        throw new ObjectNotFoundError('promote');
      }
    });
  }

  override async put(key: string, body: Buffer, metadata: ObjectMetadata): Promise<void> {
    const { contentType, originalFileName } = metadata;
    await translateErrors('put', () => this.files.replace(key, body, { contentType, originalFileName }));
  }

  override async delete(area: StorageArea, key: string, generation?: string): Promise<void> {
    await translateErrors('delete', async () => {
      await this.files.remove(area, key, generation);
      if (area === 'uploads' && generation === undefined) {
        await this.seals.lift(key);
      }
    });
  }

  override async seal(key: string): Promise<void> {
    await translateErrors('seal', async () => {
      await this.seals.set(key);
      await this.files.remove('uploads', key);
    });
  }

  override async readUrl(key: string): Promise<string> {
    assertObjectKey(key);
    if (this.access === 'public') {
      return `${this.options.publicBaseUrl}/${key}`;
    }
    const expires = readExpiry(Date.now(), this.options.readUrlTtlSeconds);
    const signature = this.signer.signRead({ key, expires });
    return `${this.options.apiBaseUrl}/v1/storage/media/${key}?${signedQuery(expires, signature)}`;
  }

  override async check(): Promise<void> {
    await translateErrors('check', async () => {
      for (const folder of [this.paths.area('uploads'), this.paths.area('media'), this.paths.temporaries]) {
        await mkdir(folder, { recursive: true });
        await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
      }
    });
  }

  /** An object of the media area with all that serving it takes, or null. The uploads area is never served. */
  async findMedia(key: string): Promise<StoredObject | null> {
    return translateErrors('findMedia', () => this.files.findMedia(key));
  }

  /** Does for uploads what the lifecycle rule of a cloud bucket does, whether they were promoted or not. */
  override async removeAbandoned(olderThan: Date): Promise<number> {
    return translateErrors('removeAbandoned', async () => {
      const temporaries = await this.temporaries.removeStale(olderThan);
      await this.seals.liftStale(olderThan);
      return temporaries + (await this.files.removeStaleUploads(olderThan));
    });
  }

  /** All connections are cut by now: uploads that broke off with them still have to remove what they had written. */
  async onApplicationShutdown(): Promise<void> {
    await this.temporaries.settled();
  }

  private async open(operation: string, area: StorageArea, key: string): Promise<OpenedFile> {
    const file = await this.files.open(area, key);
    if (file === null) {
      throw new ObjectNotFoundError(operation);
    }
    return file;
  }
}

/** Neither digits nor base64url need escaping in a query. */
function signedQuery(expires: number, signature: string): string {
  return `expires=${expires}&signature=${signature}`;
}

/** Passes a body on as long as it can still have exactly that length. */
async function* exactly(body: AsyncIterable<Uint8Array>, length: number): AsyncIterable<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of body) {
      received += chunk.length;
      if (received > length) {
        break;
      }
      yield chunk;
    }
  } catch (error) {
    throw new UploadInterruptedError({ cause: error });
  }
  if (received !== length) {
    throw new LengthMismatchError();
  }
}

async function translateErrors<T>(operation: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw isFileSystemError(error) ? new StorageUnavailableError(operation, { cause: error }) : error;
  }
}
