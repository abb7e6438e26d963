import { type RawBuilder, sql } from 'kysely';
import type { Values } from '../database/statement.js';
import { LEFTOVERS_GRACE_SECONDS, seconds } from './conditions.js';
import type { NewMediaFile } from './media-file.row.js';

/** New files, one array for each column. */
export interface NewFileColumns {
  readonly ids: readonly string[];
  readonly userIds: readonly string[];
  readonly originalFileNames: readonly string[];
  readonly mimeTypes: readonly string[];
  readonly fileSizes: readonly number[];
  readonly mediaTypes: readonly string[];
  readonly storageKeys: readonly string[];
  readonly storageBuckets: readonly string[];
  readonly directHashes: readonly (string | null)[];
  readonly ttls: readonly number[];
}

export function columnsOf(files: readonly NewMediaFile[]): NewFileColumns {
  return {
    ids: files.map((file) => file.id),
    userIds: files.map((file) => file.userId),
    originalFileNames: files.map((file) => file.originalFileName),
    mimeTypes: files.map((file) => file.mimeType),
    fileSizes: files.map((file) => file.fileSize),
    mediaTypes: files.map((file) => file.mediaType),
    storageKeys: files.map((file) => file.storageKey),
    storageBuckets: files.map((file) => file.storageBucket),
    directHashes: files.map((file) => file.directHash),
    ttls: files.map((file) => file.ttlSeconds),
  };
}

/** The same as rows, with the columns that `insertFrom` wants, and `place`, which counts them from 1. */
export function newFiles(columns: Values<NewFileColumns>): RawBuilder<unknown> {
  return sql`
    unnest(${columns.ids}::uuid[], ${columns.userIds}::uuid[], ${columns.originalFileNames}::text[],
      ${columns.mimeTypes}::text[], ${columns.fileSizes}::bigint[], ${columns.mediaTypes}::text[],
      ${columns.storageKeys}::text[], ${columns.storageBuckets}::text[], ${columns.directHashes}::text[],
      ${columns.ttls}::float8[])
    with ordinality as f (id, user_id, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
      direct_hash, ttl_seconds, place)`;
}

/** One new file as such a row; none where the CTE `ledger` has none. */
export function newFileIfReserved(file: Values<NewMediaFile>): RawBuilder<unknown> {
  return sql`(
    select ${file.id}::uuid as id, user_id, ${file.originalFileName}::text as original_file_name,
      ${file.mimeType}::text as mime_type, ${file.fileSize}::bigint as file_size, ${file.mediaType}::text as media_type,
      ${file.storageKey}::text as storage_key, ${file.storageBucket}::text as storage_bucket,
      ${file.directHash}::text as direct_hash, ${file.ttlSeconds}::float8 as ttl_seconds
    from ledger) f`;
}

/** Inserts pending files, whose reservations are open. What is on the left of `from` is written here and nowhere else. */
export function insertFrom(rows: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    insert into media_files (
      id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
      direct_hash, status, reservation_open, upload_expires_at, leftovers_due_at)
    select f.id, f.user_id, f.id, f.original_file_name, f.mime_type, f.file_size, f.media_type, f.storage_key,
      f.storage_bucket, f.direct_hash, 'pending', true, now() + ${seconds(sql`f.ttl_seconds`)},
      now() + ${seconds(sql`f.ttl_seconds + ${LEFTOVERS_GRACE_SECONDS}::float8`)}
    from ${rows}`;
}
