import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { Database } from '../database/database.js';
import { type Query, Statement, type Value, type Values } from '../database/statement.js';
import type { Claim } from '../idempotency/claim.js';
import { FILES_BY_OWNER, free, hold, release, settle } from '../quota/quota-ledger.js';
import { QuotaService } from '../quota/quota.service.js';
import { byId, LEFTOVERS_GRACE_SECONDS, liveWith, OPEN, seconds } from './conditions.js';
import { insertFrom, newFileIfReserved } from './insertion.js';
import type { MediaFile } from './media-file.entity.js';
import {
  COLUMNS,
  type MediaFileRow,
  NEW_ROW_TIMES,
  newMediaFile,
  type NewMediaFile,
  type NewRowTimes,
  toMediaFile,
} from './media-file.row.js';
import { type PageRequest, pageQuery } from './page-statements.js';
import { reservation } from './reservation.js';
import { SharedChangesRepository } from './shared-changes.repository.js';
import { tellSettled } from './settled-notification.js';

/** The unique index that lets one of several identical direct uploads win. */
export const DIRECT_HASH_KEY = 'media_files_direct_hash_key';

/** What requests do to media files. Each method is one statement; what it yields tells whether it was the one. */
@Injectable()
export class MediaFilesRepository {
  constructor(
    private readonly database: Database,
    private readonly quota: QuotaService,
    private readonly shared: SharedChangesRepository,
  ) {}

  /**
   * Reserves the bytes and inserts the row in one statement, which it shares with others that come at the same time; for a
   * request with an `Idempotency-Key`, its claim is proved and the id written down in the same one.
   *
   * @throws ProblemError `quota_exceeded`, also when the claim was lost: `IdempotencyService` tells the two apart
   */
  async insertReserving(file: NewMediaFile, claim: Claim | null = null): Promise<MediaFile> {
    if (claim !== null) {
      const times = await this.quota.reserving(file.userId, file.fileSize, insertionUnder(claim, file));
      return newMediaFile(file, times);
    }
    const inserted = await this.shared.insert(file);
    if (inserted !== null) {
      return inserted;
    }
    return newMediaFile(
      file,
      await this.quota.reservingAfterAll(file.userId, file.fileSize, INSERT.with(file)),
    );
  }

  /**
   * The same for bytes whose hash is known, unless the user has them live already. One statement for what is nearly always
   * the case; null leaves it to the caller to find out what stood in the way: those bytes, the quota, or the claim.
   */
  async insertUnlessLive(
    file: NewMediaFile,
    contentHash: string,
    claim: Claim | null,
  ): Promise<MediaFile | null> {
    if (claim === null) {
      return this.shared.insert(file, contentHash);
    }
    const times = await this.database.first(
      insertionUnder(claim, file, unlessLive(file.userId, contentHash)),
    );
    return times && newMediaFile(file, times);
  }

  /** Deleted ones included: who asks decides what to make of them. */
  async find(id: string): Promise<MediaFile | null> {
    return this.one(FIND.with({ id }));
  }

  /** Those of them that there are, deleted ones included. */
  async findAll(ids: readonly string[]): Promise<MediaFile[]> {
    const rows = await this.database.rows(sql<MediaFileRow>`
      select ${COLUMNS} from media_files where id = any(${ids}::uuid[])`);
    return rows.map(toMediaFile);
  }

  /** Those of them that are `ready`, `failed` or deleted. */
  async findSettled(ids: readonly string[]): Promise<MediaFile[]> {
    const rows = await this.database.rows(sql<MediaFileRow>`
      select ${COLUMNS} from media_files
      where id = any(${ids}::uuid[]) and (status in ('ready', 'failed') or deleted_at is not null)`);
    return rows.map(toMediaFile);
  }

  /** The user's oldest live file with these bytes. */
  async findLiveByHash(userId: string, contentHash: string): Promise<MediaFile | null> {
    return this.one(FIND_LIVE.with({ userId, contentHash }));
  }

  /** The user's oldest live file for each of these hashes that has one. */
  async findLiveByHashes(
    userId: string,
    contentHashes: readonly string[],
  ): Promise<ReadonlyMap<string | null, MediaFile>> {
    const rows = await this.database.rows(sql<MediaFileRow>`
      select distinct on (content_hash) ${COLUMNS} from media_files
      where content_hash = any(${contentHashes}::text[]) and user_id = ${userId} and deleted_at is null
        and status in ('processing', 'ready')
      order by content_hash, media_files.created_at, id`);
    return new Map(rows.map((row) => [row.content_hash, toMediaFile(row)]));
  }

  /** The direct upload of these bytes that is under way or done, if any. */
  async findDirect(userId: string, directHash: string): Promise<MediaFile | null> {
    return this.one(sql<MediaFileRow>`
      select ${COLUMNS} from media_files
      where user_id = ${userId} and direct_hash = ${directHash} and deleted_at is null and status <> 'failed'`);
  }

  /** Newest first, and one row more than asked for when there is another page. */
  async page(request: PageRequest): Promise<MediaFile[]> {
    return (await this.database.rows(pageQuery(request))).map(toMediaFile);
  }

  /**
   * `pending → processing`, and reserved becomes used. For a direct upload the hash is known already.
   *
   * @returns the file as it is now, or null when it was no longer pending, was deleted, or its window has closed
   */
  async confirm(
    { id, userId }: Pick<MediaFile, 'id' | 'userId'>,
    contentHash: string | null,
    driveAfterSeconds: number,
  ): Promise<MediaFile | null> {
    const confirmation = { id, userId, contentHash, driveAfterSeconds };
    return (await this.shared.confirm(confirmation)) ?? this.one(CONFIRM.with(confirmation));
  }

  /** Keeps a direct upload's window open for whoever is storing its bytes now; false when it is no longer pending. */
  async extendWindow(id: string, ttlSeconds: number): Promise<boolean> {
    const row = await this.database.first(sql<{ id: string }>`
      update media_files
      set upload_expires_at = greatest(upload_expires_at, now() + ${seconds(ttlSeconds)}),
        leftovers_due_at = greatest(leftovers_due_at, now() + ${seconds(ttlSeconds + LEFTOVERS_GRACE_SECONDS)})
      where ${byId(id, OPEN)}
      returning id`);
    return row !== null;
  }

  /**
   * Soft delete; what the file used is free at once, and whoever waits for it is told. Nothing is left to drive of one whose
   * bytes went when it failed. Null when it is not this user's, or deleted already.
   */
  async delete(id: string, userId: string, driveAfterSeconds: number): Promise<MediaFile | null> {
    return this.one(sql<MediaFileRow>`
      with owner as (${hold(userId)}),
      file as (
        update media_files
        set deleted_at = now(), drive_count = 0,
          drive_after = case when purged_at is null then now() + ${seconds(driveAfterSeconds)} end
        from owner
        where ${byId(id, sql`media_files.user_id = owner.user_id and deleted_at is null`)}
        returning media_files.*, status in ('processing', 'ready') as settled),
      ledger as (${free()})
      select ${COLUMNS}, ${tellSettled()} from file`);
  }

  /** Takes pending files back as if they had never been asked for: nobody has been given a URL to them. */
  async withdraw(userId: string, ids: readonly string[]): Promise<void> {
    await this.database.rows(sql`
      with owner as (${hold(userId)}),
      file as (
        delete from media_files using owner
        where id = any(${ids}::uuid[])
          and (media_files.user_id = owner.user_id and status = 'pending' and reservation_open and deleted_at is null) is true
        returning media_files.*),
      ledger as (${release(FILES_BY_OWNER)})
      select id from file`);
  }

  private async one(query: Query<MediaFileRow>): Promise<MediaFile | null> {
    const row = await this.database.first(query);
    return row && toMediaFile(row);
  }
}

const FIND = new Statement<{ id: string }, MediaFileRow>(
  ({ id }) => sql`select ${COLUMNS} from media_files where id = ${id}`,
);

const FIND_LIVE = new Statement<{ userId: string; contentHash: string }, MediaFileRow>(
  ({ userId, contentHash }) => sql`
    select ${COLUMNS} from media_files
    where ${liveWith(userId, contentHash)}
    order by media_files.created_at, id limit 1`,
);

const INSERT = new Statement<NewMediaFile, NewRowTimes>((file) =>
  insertion(file, reservation(file.userId, file.fileSize, null, [])),
);

const CONFIRM = new Statement<
  { id: string; userId: string; contentHash: string | null; driveAfterSeconds: number },
  MediaFileRow
>(
  ({ id, userId, contentHash, driveAfterSeconds }) => sql`
    with owner as (${hold(userId)}),
    file as (
      update media_files
      set status = 'processing', reservation_open = false, content_hash = ${contentHash},
        drive_after = now() + ${seconds(driveAfterSeconds)}
      from owner
      where ${byId(id, sql`media_files.user_id = owner.user_id and ${OPEN}`)}
      returning media_files.*),
    ledger as (${settle()})
    select ${COLUMNS} from file`,
);

/** With its claim: rare enough to be put together every time. */
function insertionUnder(
  claim: Claim,
  file: NewMediaFile,
  andOnlyIf?: RawBuilder<unknown>,
): RawBuilder<NewRowTimes> {
  return insertion(file, reservation(file.userId, file.fileSize, claim, [file.id], andOnlyIf));
}

/** Reserves and inserts; no row when the bytes do not fit, the claim was lost, or the condition does not hold. */
function insertion(file: Values<NewMediaFile>, reserved: RawBuilder<unknown>): RawBuilder<NewRowTimes> {
  return sql<NewRowTimes>`
    ${reserved}
    ${insertFrom(newFileIfReserved(file))}
    returning ${NEW_ROW_TIMES}`;
}

/** A further condition of a reservation. */
function unlessLive(userId: Value<string>, contentHash: Value<string>): RawBuilder<unknown> {
  return sql`and not exists (select from media_files where ${liveWith(userId, contentHash)})`;
}
