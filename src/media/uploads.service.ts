import { Inject, Injectable, Logger } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { newId } from '../common/new-id.js';
import { ProblemError } from '../common/problem.js';
import type { Claim } from '../idempotency/claim.js';
import { JobQueue } from '../queue/job-queue.js';
import { originalKey } from '../storage/object-key.js';
import { ObjectStorage, type SignedUpload } from '../storage/object-storage.js';
import { ObjectNotFoundError } from '../storage/storage.errors.js';
import type { RequestUploadDto } from './dto/request-upload.dto.js';
import { sanitizeFileName } from './file-name.js';
import type { MediaFile } from './media-file.entity.js';
import { notFound, requireOwn } from './ownership.js';
import type { NewMediaFile } from './media-file.row.js';
import { MediaFilesRepository } from './media-files.repository.js';
import type { AcceptedType } from './media-types.js';
import { SNIFF_BYTES } from './sniff.js';
import {
  closedBecause,
  isOfUse,
  requireAcceptedType,
  requireDeclared,
  requireSizeWithin,
  uploadExpired,
} from './upload-checks.js';

export type UploadRequestResult =
  { readonly duplicate: MediaFile } | { readonly file: MediaFile; readonly upload: SignedUpload };

/** Uploads through a signed URL: request, (the client puts the bytes), confirm. */
@Injectable()
export class UploadsService {
  private readonly logger = new Logger(UploadsService.name);

  constructor(
    private readonly files: MediaFilesRepository,
    private readonly storage: ObjectStorage,
    private readonly queue: JobQueue,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  /**
   * @param claim of a request that may be repeated: what it has made is then kept, also if its URL could not be signed
   * @throws ProblemError `invalid_type`, `file_too_large`, `quota_exceeded`, `storage_unavailable`
   */
  async request(
    userId: string,
    dto: RequestUploadDto,
    claim: Claim | null = null,
  ): Promise<UploadRequestResult> {
    const type = this.requireAcceptable(dto);
    const duplicate = dto.contentHash ? await this.files.findLiveByHash(userId, dto.contentHash) : null;
    if (duplicate !== null) {
      return { duplicate };
    }
    const file = await this.files.insertReserving(this.newUpload(userId, dto, type), claim);
    try {
      return await this.withUrl(file);
    } catch (error) {
      if (claim === null) {
        await this.withdraw(userId, [file]);
      }
      throw error;
    }
  }

  /** The upload that an earlier request made and did not answer; null when it is of no use any more. */
  async resume(id: string): Promise<UploadRequestResult | null> {
    const file = await this.files.find(id);
    return file && isOfUse(file) ? this.withUrl(file) : null;
  }

  /** @throws ProblemError `invalid_type`, `file_too_large` */
  requireAcceptable(dto: RequestUploadDto): AcceptedType {
    const type = requireAcceptedType(dto.mimeType);
    requireSizeWithin(dto.fileSize, type, this.config.media);
    return type;
  }

  /**
   * Ends the reservations of files whose URLs could not be signed, and that nobody can ask for again. While signing is
   * down, clients that try over and over would use up their quota with them.
   */
  async withdraw(userId: string, files: readonly MediaFile[]): Promise<void> {
    const ids = files.map(({ id }) => id);
    await this.files.withdraw(userId, ids).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Reservations without a URL stay until their window closes');
    });
  }

  /** @throws ProblemError `storage_unavailable` */
  async withUrl(file: MediaFile): Promise<UploadRequestResult> {
    const upload = await this.storage.signUpload({
      key: file.storageKey,
      contentType: file.mimeType,
      contentLength: file.fileSize,
      // The database's clock set the window; the URL ends with it, not a moment later.
      expiresAt: file.uploadExpiresAt,
    });
    return { file, upload };
  }

  /**
   * Checks what has arrived and makes it a media file. Nothing is believed: size and type are measured. Bytes that do
   * not hold are deleted, and the right ones may be put instead while the window is open.
   *
   * @throws ProblemError `not_found`, `access_denied`, `invalid_status`, `upload_expired`, `file_not_found`,
   *   `size_mismatch`, `type_mismatch`, `storage_unavailable`
   */
  async confirm(id: string, userId: string): Promise<MediaFile> {
    const file = requireOwn(await this.files.find(id), userId);
    const closed = closedBecause(file);
    if (closed !== null) {
      throw closed;
    }
    await this.verifyAndPromote(file);
    const confirmed = await this.files.confirm(file, null, this.config.worker.sweepIntervalSeconds);
    if (confirmed === null) {
      throw await this.explainLostConfirm(file);
    }
    await this.queue.enqueue({ name: 'generate_thumbnails', mediaFileId: id }, { isFirst: true });
    return confirmed;
  }

  /** The row of a new upload through a signed URL. */
  newUpload(userId: string, dto: RequestUploadDto, type: AcceptedType): NewMediaFile {
    return this.newFile(userId, dto.fileName, type, dto.fileSize, {
      directHash: null,
      ttlSeconds: this.config.media.uploadUrlTtlSeconds,
    });
  }

  /** The row of a new upload; every name in it but the client's own is made here. */
  newFile(
    userId: string,
    clientFileName: string,
    type: AcceptedType,
    fileSize: number,
    rest: Pick<NewMediaFile, 'directHash' | 'ttlSeconds'>,
  ): NewMediaFile {
    const id = newId();
    return {
      id,
      userId,
      originalFileName: sanitizeFileName(clientFileName),
      mimeType: type.mimeType,
      fileSize,
      mediaType: type.mediaType,
      storageKey: originalKey({
        userId,
        mediaType: type.mediaType,
        createdAt: new Date(),
        mediaFileId: id,
        extension: type.extension,
      }),
      storageBucket: this.storage.bucketOf('media'),
      ...rest,
    };
  }

  private async verifyAndPromote(file: MediaFile): Promise<void> {
    const head = await this.storage
      .readHead('uploads', file.storageKey, SNIFF_BYTES)
      .catch(asNotFound('The bytes have not arrived: PUT them to the upload URL first'));
    try {
      await requireDeclared(head, file);
    } catch (error) {
      if (error instanceof ProblemError) {
        // Only what was looked at: the right bytes may have come meanwhile, when two confirmed the wrong ones.
        await this.storage.delete('uploads', file.storageKey, head.generation);
      }
      throw error;
    }
    const { mimeType: contentType, originalFileName } = file;
    await this.storage
      .promote(file.storageKey, head.generation, { contentType, originalFileName })
      .catch(asNotFound('The bytes were replaced or removed meanwhile'));
  }

  /** Somebody was faster, or the window closed while the bytes were checked. */
  private async explainLostConfirm(before: MediaFile): Promise<ProblemError> {
    const now = await this.files.find(before.id);
    if (now === null || now.isDiscarded) {
      // The promoted copy belongs to nobody now: whoever discarded the row may have looked before it was there. One that is
      // still pending may have another confirm under way, and the sweeper if it has not.
      await this.storage.delete('media', before.storageKey);
    }
    // Still open by our clock, when by the database's its window had closed.
    return (now === null ? notFound() : closedBecause(now)) ?? uploadExpired();
  }
}

function asNotFound(detail: string): (error: unknown) => never {
  return (cause) => {
    throw cause instanceof ObjectNotFoundError
      ? new ProblemError('file_not_found', detail, {}, { cause })
      : cause;
  };
}
