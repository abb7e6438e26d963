import { Inject, Injectable } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { JobQueue } from '../queue/job-queue.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import type { ListMediaDto } from './dto/list-media.dto.js';
import type { MediaFile } from './media-file.entity.js';
import { MediaFilesRepository } from './media-files.repository.js';
import { notFound, requireOwn } from './ownership.js';
import { type Patience, SettledFiles } from './settled-files.js';

export interface MediaPage {
  readonly files: readonly MediaFile[];
  readonly nextCursor: string | null;
}

/** What users do with files that are there: look, list, delete. */
@Injectable()
export class MediaFilesService {
  constructor(
    private readonly files: MediaFilesRepository,
    private readonly settled: SettledFiles,
    private readonly queue: JobQueue,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  /** @throws ProblemError `not_found`, `access_denied` */
  async get(id: string, userId: string): Promise<MediaFile> {
    return requireOwn(await this.files.find(id), userId);
  }

  /**
   * The same, but not before the file has settled or patience ends; what is wrong already is said at once.
   *
   * @throws ProblemError `not_found` (also when it is deleted meanwhile), `access_denied`
   */
  async getSettled(id: string, userId: string, patience: Patience): Promise<MediaFile> {
    return requireOwn(await this.settled.whenSettled(id, () => this.get(id, userId), patience), userId);
  }

  /**
   * @param userId null for somebody without a profile, who has no files; what is wrong with the query is wrong all the same
   * @throws ProblemError `validation_failed` for a cursor that is none
   */
  async list(userId: string | null, query: ListMediaDto): Promise<MediaPage> {
    const after = query.cursor === undefined ? null : decodeCursor(query.cursor);
    if (userId === null) {
      return { files: [], nextCursor: null };
    }
    const { mediaType, status, limit } = query;
    const rows = await this.files.page({ userId, mediaType, status, after, limit });
    const files = rows.slice(0, limit);
    const last = files.at(-1);
    return { files, nextCursor: last && rows.length > limit ? encodeCursor(last) : null };
  }

  /** Soft delete now, bytes in the background. @throws ProblemError `not_found`, `access_denied` */
  async delete(id: string, userId: string): Promise<void> {
    const deleted = await this.files.delete(id, userId, this.config.worker.sweepIntervalSeconds);
    if (deleted === null) {
      requireOwn(await this.files.find(id), userId);
      // Own and not deleted now, though it was not a moment ago: somebody undid a deletion by hand.
      throw notFound();
    }
    await this.queue.enqueue({ name: 'delete_files', mediaFileId: id });
  }
}
