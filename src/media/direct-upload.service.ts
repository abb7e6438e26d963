import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { invalidField, ProblemError } from '../common/problem.js';
import { violatesUnique } from '../database/sql-errors.js';
import type { Claim } from '../idempotency/claim.js';
import { JobQueue } from '../queue/job-queue.js';
import { ObjectStorage } from '../storage/object-storage.js';
import type { MediaFile } from './media-file.entity.js';
import type { NewMediaFile } from './media-file.row.js';
import type { AcceptedType } from './media-types.js';
import { DIRECT_HASH_KEY, MediaFilesRepository } from './media-files.repository.js';
import { MediaLifecycleRepository } from './media-lifecycle.repository.js';
import { SNIFF_BYTES } from './sniff.js';
import { isOfUse, requireAcceptedType, requireBytesOfType, requireSizeWithin } from './upload-checks.js';
import { UploadsService } from './uploads.service.js';

/** The part `file` of a multipart body. */
export class DirectUpload {
  private content: Buffer | null;

  constructor(
    readonly fileName: string,
    readonly mimeType: string,
    content: Buffer,
  ) {
    this.content = content;
  }

  get bytes(): Buffer {
    if (this.content === null) {
      throw new Error('The bytes of an upload are wanted after they were let go of');
    }
    return this.content;
  }

  /**
   * To be called when the upload is over. What belongs to a request outlives its answer: V8 moves it among the old objects, and
   * what it refers to stays until those are gone through. With the bytes, the whole heap had to be, once or twice a second
   * under load (docs/benchmarks.md).
   */
  letGo(): void {
    this.content = null;
  }
}

export interface DirectUploadResult {
  readonly file: MediaFile;
  /** False when the user had these bytes already. */
  readonly created: boolean;
}

/** A row to fill: our own new one, or that of a twin which we have joined. */
interface RowToFill {
  readonly file: MediaFile;
  readonly joined: boolean;
}

/** At least this long, however short the window of signed URLs is: the bytes are here, only our own storage is slow. */
const MIN_WINDOW_SECONDS = 120;
/** A row that comes and goes under our hands this often is a fault, not a race. */
const MAX_ROUNDS = 20;

/**
 * Uploads through the API, for small files.
 *
 * The hash is measured before anything else, and a unique index over it makes one row of any number of identical
 * uploads at once. Who finds that row still pending does not wait for its maker, who may be dead: it stores the same
 * bytes under the same key and settles the row, if nobody else has.
 */
@Injectable()
export class DirectUploadService {
  constructor(
    private readonly uploads: UploadsService,
    private readonly files: MediaFilesRepository,
    private readonly lifecycle: MediaLifecycleRepository,
    private readonly storage: ObjectStorage,
    private readonly queue: JobQueue,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  /** @throws ProblemError `validation_failed`, `invalid_type`, `file_too_large`, `type_mismatch`, `quota_exceeded`, `storage_unavailable` */
  async upload(
    userId: string,
    upload: DirectUpload,
    claim: Claim | null = null,
  ): Promise<DirectUploadResult> {
    const type = requireAcceptedType(upload.mimeType);
    if (upload.bytes.length === 0) {
      throw invalidField('file', 'must not be empty');
    }
    requireSizeWithin(upload.bytes.length, type, this.config.media);
    await requireBytesOfType(upload.bytes.subarray(0, SNIFF_BYTES), type.mimeType);
    const hash = sha256(upload.bytes);
    const atOnce = await this.storeAtOnce(userId, upload, type, hash, claim);
    if (atOnce !== null) {
      return atOnce;
    }
    const existing = await this.files.findLiveByHash(userId, hash);
    if (existing !== null) {
      return { file: existing, created: false };
    }
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const row = await this.insertOrJoin(userId, upload, type, hash, claim);
      const result = row && (await this.settle(row, upload.bytes, hash));
      if (result) {
        return result;
      }
    }
    throw new Error('A direct upload lost its row over and over');
  }

  /**
   * Fills the row that an earlier request made and did not answer, if nobody has; null when it is of no use any more.
   *
   * @throws ProblemError `storage_unavailable`
   */
  async resume(id: string, { bytes }: DirectUpload): Promise<DirectUploadResult | null> {
    const file = await this.files.find(id);
    if (file === null || !isOfUse(file)) {
      return null;
    }
    const result = await this.settle({ file, joined: true }, bytes, sha256(bytes));
    return result && { file: result.file, created: true };
  }

  /** What nearly always happens: the bytes are new, they fit, and nobody else is bringing them. Null in any other case. */
  private async storeAtOnce(
    userId: string,
    upload: DirectUpload,
    type: AcceptedType,
    hash: string,
    claim: Claim | null,
  ): Promise<DirectUploadResult | null> {
    try {
      const file = await this.files.insertUnlessLive(this.newFile(userId, upload, type, hash), hash, claim);
      return file && (await this.settle({ file, joined: false }, upload.bytes, hash));
    } catch (error) {
      if (violatesUnique(error, DIRECT_HASH_KEY)) {
        return null;
      }
      throw error;
    }
  }

  private newFile(userId: string, upload: DirectUpload, type: AcceptedType, hash: string): NewMediaFile {
    return this.uploads.newFile(userId, upload.fileName, type, upload.bytes.length, {
      directHash: hash,
      ttlSeconds: this.windowSeconds(),
    });
  }

  /** Inserts the row, or finds the one that was faster; null when that one has gone again meanwhile. */
  private async insertOrJoin(
    userId: string,
    upload: DirectUpload,
    type: AcceptedType,
    hash: string,
    claim: Claim | null,
  ): Promise<RowToFill | null> {
    try {
      const file = await this.files.insertReserving(this.newFile(userId, upload, type, hash), claim);
      return { file, joined: false };
    } catch (error) {
      const inTheWay =
        violatesUnique(error, DIRECT_HASH_KEY) ||
        (error instanceof ProblemError && error.code === 'quota_exceeded');
      if (!inTheWay) {
        throw error;
      }
      // Bytes that are about to be there need no room of their own, so a full quota is no reason to refuse them.
      const file = await this.files.findDirect(userId, hash);
      if (file === null && error instanceof ProblemError) {
        throw error;
      }
      return file && { file, joined: true };
    }
  }

  /** Stores the bytes and settles the row; null when the row was discarded meanwhile. */
  private async settle(
    { file, joined }: RowToFill,
    bytes: Buffer,
    hash: string,
  ): Promise<DirectUploadResult | null> {
    if (file.isLive) {
      return { file, created: false };
    }
    const open = !joined || (await this.files.extendWindow(file.id, this.windowSeconds()));
    if (open) {
      await this.storage.put(file.storageKey, bytes, {
        contentType: file.mimeType,
        originalFileName: file.originalFileName,
      });
      const settled = await this.files.confirm(file, hash, this.config.worker.sweepIntervalSeconds);
      if (settled !== null) {
        await this.queue.enqueue({ name: 'generate_thumbnails', mediaFileId: file.id }, { isFirst: true });
        return { file: settled, created: true };
      }
    }
    const now = await this.files.find(file.id);
    if (now?.isLive) {
      return { file: now, created: false };
    }
    // If it is its window that has closed, it need not be in the way until the sweeper comes by.
    if (now?.isDiscarded || (await this.lifecycle.markExpired(file.id))) {
      // Discarded while we wrote: the copy that we may have left belongs to nobody.
      await this.storage.delete('media', file.storageKey);
    }
    return null;
  }

  private windowSeconds(): number {
    return Math.max(MIN_WINDOW_SECONDS, this.config.media.uploadUrlTtlSeconds);
  }
}

/** What a request asks for, however its parts were delimited. */
export function directContentOf({ fileName, mimeType, bytes }: DirectUpload): object {
  return { fileName, mimeType, sha256: sha256(bytes) };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
