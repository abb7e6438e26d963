import { Injectable } from '@nestjs/common';
import { ProblemError } from '../common/problem.js';
import type { Claim } from '../idempotency/claim.js';
import type { BatchItem } from './batch-items.pipe.js';
import { BatchUploadsRepository } from './batch-uploads.repository.js';
import type { RequestUploadDto } from './dto/request-upload.dto.js';
import { MediaFile } from './media-file.entity.js';
import type { NewMediaFile } from './media-file.row.js';
import { MediaFilesRepository } from './media-files.repository.js';
import { closedBecause, isOfUse, uploadExpired } from './upload-checks.js';
import { UploadsService } from './uploads.service.js';

/** What became of an item: a new row without its URL yet, the file that has these bytes already, or why not. */
export type BatchItemResult = { readonly file: MediaFile } | { readonly duplicate: MediaFile } | ProblemError;

/** An item that is all right so far, and the row that it would get. */
interface Wanted {
  readonly row: NewMediaFile;
  readonly contentHash: string | null;
}

/** Many upload requests in one, each decided as if it had come alone, in their order. */
@Injectable()
export class BatchUploadsService {
  constructor(
    private readonly uploads: UploadsService,
    private readonly files: MediaFilesRepository,
    private readonly batches: BatchUploadsRepository,
  ) {}

  async request(
    userId: string,
    items: readonly BatchItem[],
    claim: Claim | null,
  ): Promise<BatchItemResult[]> {
    const decided = await this.decide(userId, items);
    const inserted = await this.batches.insertReserving(
      userId,
      decided.map((item) => ('row' in item ? item.row : null)),
      claim,
    );
    return decided.map((item, index) => {
      const made = inserted[index];
      return 'row' in item ? resultOf(made ?? missing()) : item;
    });
  }

  /**
   * The batch that an earlier request made and did not answer. Items for which it made no row were refused or there
   * already, and are not tried again; those whose row is of no use any more say why.
   *
   * @returns null when none of its rows is of use any more
   */
  async resume(
    userId: string,
    items: readonly BatchItem[],
    mediaFileIds: readonly (string | null)[],
  ): Promise<BatchItemResult[] | null> {
    const made = await this.files.findAll(mediaFileIds.filter((id) => id !== null));
    if (!made.some(isOfUse)) {
      return null;
    }
    const byId = new Map<string | null, MediaFile>(made.map((file) => [file.id, file]));
    const decided = await this.decide(userId, items);
    return decided.map((item, index) => {
      const file = byId.get(mediaFileIds[index] ?? null);
      if (file !== undefined) {
        return isOfUse(file) ? { file } : (closedBecause(file) ?? uploadExpired());
      }
      return 'row' in item
        ? new ProblemError(
            'quota_exceeded',
            `${item.row.fileSize} bytes did not fit when they were asked for`,
          )
        : item;
    });
  }

  /** All that can be said about the items before there is a row: one statement at most. */
  private async decide(
    userId: string,
    items: readonly BatchItem[],
  ): Promise<(Wanted | { readonly duplicate: MediaFile } | ProblemError)[]> {
    const checked = items.map(({ upload }) => this.check(userId, upload));
    const hashes = checked.flatMap((item) => ('row' in item && item.contentHash) || []);
    const known = hashes.length === 0 ? null : await this.files.findLiveByHashes(userId, hashes);
    return checked.map((item) => {
      const duplicate = 'row' in item ? known?.get(item.contentHash) : undefined;
      return duplicate === undefined ? item : { duplicate };
    });
  }

  private check(userId: string, upload: RequestUploadDto | ProblemError): Wanted | ProblemError {
    if (upload instanceof ProblemError) {
      return upload;
    }
    try {
      const type = this.uploads.requireAcceptable(upload);
      return { row: this.uploads.newUpload(userId, upload, type), contentHash: upload.contentHash ?? null };
    } catch (error) {
      if (error instanceof ProblemError) {
        return error;
      }
      throw error;
    }
  }
}

function resultOf(made: MediaFile | ProblemError): BatchItemResult {
  return made instanceof ProblemError ? made : { file: made };
}

function missing(): never {
  throw new Error('A batch lost one of its items');
}
