import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { Database } from '../database/database.js';
import { free, hold, release } from '../quota/quota-ledger.js';
import type { ImageMetadata, MediaFile } from './media-file.entity.js';
import { COLUMNS, type MediaFileRow, toMediaFile } from './media-file.row.js';
import { byId, LEFTOVERS_GRACE_SECONDS, ownerOf, seconds } from './conditions.js';
import { tellSettled } from './settled-notification.js';

/** What processing found out. */
export interface ProcessingResult {
  readonly contentHash: string;
  readonly width: number;
  readonly height: number;
  readonly metadata: ImageMetadata;
}

/** Unfinished work that the sweeper has just taken on. */
export interface DueWork {
  readonly id: string;
  readonly discarded: boolean;
}

/** Ever more slowly, but at least once an hour. */
const MAX_DRIVE_INTERVAL_SECONDS = 3600;
const MANY_DRIVES = 3;

/**
 * What workers and the sweeper do to media files. Each method is one conditional statement; those that settle a file
 * say so to whoever waits for it (`settled-notification.ts`).
 */
@Injectable()
export class MediaLifecycleRepository {
  constructor(private readonly database: Database) {}

  /** `processing → ready`; false when somebody was faster, or the file was deleted meanwhile. */
  async markReady(id: string, result: ProcessingResult): Promise<boolean> {
    return this.changed(sql`
      update media_files
      set status = 'ready', content_hash = ${result.contentHash}, width = ${result.width}, height = ${result.height},
        metadata = ${JSON.stringify(result.metadata)}::jsonb, processed_at = now(), drive_after = null,
        drive_count = 0, timeout_count = 0
      where ${byId(id, sql`status = 'processing' and deleted_at is null`)}
      returning id, ${tellSettled()}`);
  }

  /** `processing → failed`; what the file used is free at once. False when somebody was faster. */
  async markFailed(id: string, code: string, driveAfterSeconds: number): Promise<boolean> {
    return this.changed(sql`
      with owner as (${hold(ownerOf(id))}),
      file as (
        update media_files
        set status = 'failed', processing_error = ${code}, processed_at = now(), drive_count = 0,
          drive_after = now() + ${seconds(driveAfterSeconds)}
        from owner
        where ${byId(id, sql`media_files.user_id = owner.user_id and status = 'processing' and deleted_at is null`)}
        returning media_files.*, true as settled),
      ledger as (${free()})
      select id, ${tellSettled()} from file`);
  }

  /** Counts an attempt that ran out of time. @returns how many did so in a row, this one included */
  async countTimeout(id: string, firstAttempt: boolean): Promise<number> {
    const row = await this.database.first(sql<{ timeout_count: number }>`
      update media_files set timeout_count = ${firstAttempt ? sql`1` : sql`timeout_count + 1`}
      where id = ${id}
      returning timeout_count`);
    return row?.timeout_count ?? 0;
  }

  /** An attempt ended otherwise, so the next one that runs out of time is the first in a row. */
  async forgetTimeouts(id: string): Promise<void> {
    await this.database.rows(sql`update media_files set timeout_count = 0 where id = ${id}`);
  }

  /**
   * The bytes of a discarded file are gone from every area. One more look is due once no writer can be left: a
   * signed PUT that is still arriving, or a worker that was about to write a derivative.
   */
  async markPurged(id: string): Promise<boolean> {
    return this.changed(sql`
      update media_files
      set purged_at = now(), drive_after = null, drive_count = 0,
        leftovers_due_at = greatest(now(), upload_expires_at) + ${seconds(LEFTOVERS_GRACE_SECONDS)}
      where ${byId(id, sql`purged_at is null and (deleted_at is not null or status = 'failed')`)}
      returning id`);
  }

  /** Uploads whose window has closed with their reservation still open, oldest first. */
  async findExpired(limit: number): Promise<MediaFile[]> {
    return this.many(sql<MediaFileRow>`
      select ${COLUMNS} from media_files
      where reservation_open and media_files.upload_expires_at <= now()
      order by media_files.upload_expires_at limit ${limit}`);
  }

  /** `pending → failed (upload_expired)`: from here on nobody can confirm it. The reservation stays until the bytes are gone. */
  async markExpired(id: string): Promise<boolean> {
    return this.changed(sql`
      update media_files set status = 'failed', processing_error = 'upload_expired', processed_at = now()
      where ${byId(id, sql`status = 'pending' and deleted_at is null and upload_expires_at <= now()`)}
      returning id, ${tellSettled()}`);
  }

  /** Whatever the closed window left has been deleted: the reservation ends. */
  async releaseExpired(id: string): Promise<boolean> {
    return this.changed(sql`
      with owner as (${hold(ownerOf(id))}),
      file as (
        update media_files
        set reservation_open = false, purged_at = coalesce(purged_at, now()), drive_after = null, drive_count = 0,
          leftovers_due_at = now() + ${seconds(LEFTOVERS_GRACE_SECONDS)}
        from owner
        where ${byId(id, sql`media_files.user_id = owner.user_id and reservation_open and upload_expires_at <= now() and (status = 'failed' or deleted_at is not null)`)}
        returning media_files.*),
      ledger as (${release()})
      select id from file`);
  }

  /**
   * Takes on unfinished work whose time has come (processing too long, deleted or failed but not purged), and puts
   * the next time off, twice as far every time. Two sweepers at once share the rows between them.
   */
  async claimDueWork(limit: number, intervalSeconds: number): Promise<DueWork[]> {
    return this.database.rows(sql<DueWork>`
      update media_files
      set drive_count = drive_count + 1, drive_after = now() + make_interval(
        secs => least(${MAX_DRIVE_INTERVAL_SECONDS}, ${intervalSeconds} * power(2, least(drive_count + 1, 20))))
      where id in (
        select id from media_files
        where drive_after <= now() and ${UNFINISHED}
        order by drive_after limit ${limit}
        for update skip locked)
      returning id, (deleted_at is not null or status = 'failed') as discarded`);
  }

  /**
   * Makes unfinished work due now: for a start whose queue did not survive the last stop. What has been driven several
   * times already comes after a minute: perhaps it only waited long in the queue, but if it is what ends the process each
   * time, the others still get their turn in between.
   */
  async makeAllDue(): Promise<void> {
    await this.database.rows(sql`
      update media_files
      set drive_after = least(drive_after,
        now() + case when drive_count < ${MANY_DRIVES} then interval '0' else interval '1 minute' end)
      where drive_after is not null and ${UNFINISHED}`);
  }

  /** Gives back work that was taken on and could not be handed over, as if it had not been. */
  async putBack(ids: readonly string[], intervalSeconds: number): Promise<void> {
    await this.database.rows(sql`
      update media_files
      set drive_count = greatest(0, drive_count - 1), drive_after = least(drive_after, now() + ${seconds(intervalSeconds)})
      where id = any(${ids}::uuid[]) and ${UNFINISHED}`);
  }

  async findLeftovers(limit: number): Promise<MediaFile[]> {
    return this.many(sql<MediaFileRow>`
      select ${COLUMNS} from media_files
      where leftovers_due_at <= now() and not reservation_open
      order by media_files.leftovers_due_at limit ${limit}`);
  }

  /** The last look is done. Compares the due time, so that a deletion meanwhile keeps its own last look. */
  async markLeftoversSwept(file: MediaFile): Promise<boolean> {
    return this.changed(sql`
      update media_files set leftovers_due_at = null
      where ${byId(file.id, sql`leftovers_due_at <= now() and (deleted_at is not null or status = 'failed') = ${file.isDiscarded}`)}
      returning id`);
  }

  private async changed(query: RawBuilder<unknown>): Promise<boolean> {
    return (await this.database.first(query)) !== null;
  }

  private async many(query: RawBuilder<MediaFileRow>): Promise<MediaFile[]> {
    const rows = await this.database.rows(query);
    return rows.map(toMediaFile);
  }
}

const UNFINISHED = sql`(
  (status = 'processing' and deleted_at is null)
  or (purged_at is null and (deleted_at is not null or status = 'failed')))`;
