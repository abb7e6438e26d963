import { type RawBuilder, sql } from 'kysely';
import { type ImageMetadata, MediaFile, type MediaStatus } from './media-file.entity.js';
import type { MediaType } from './media-types.js';

/** A row as the driver gives it: bigint as text, timestamps as microseconds since 1970. */
export interface MediaFileRow {
  id: string;
  user_id: string;
  file_name: string;
  original_file_name: string;
  mime_type: string;
  file_size: string;
  media_type: MediaType;
  storage_key: string;
  storage_bucket: string;
  width: number | null;
  height: number | null;
  duration: number | null;
  status: MediaStatus;
  processing_error: string | null;
  content_hash: string | null;
  direct_hash: string | null;
  metadata: ImageMetadata | null;
  created_at: string;
  processed_at: string | null;
  deleted_at: string | null;
  upload_expires_at: string;
  purged_at: string | null;
  reservation_open: boolean;
  drive_after: string | null;
  drive_count: number;
  timeout_count: number;
  leftovers_due_at: string | null;
}

/** What the database makes of a new row by itself. */
export type NewRowTimes = Pick<MediaFileRow, 'created_at' | 'upload_expires_at' | 'leftovers_due_at'>;

/** What a new row says; the database adds the times. */
export interface NewMediaFile {
  readonly id: string;
  readonly userId: string;
  readonly originalFileName: string;
  readonly mimeType: string;
  readonly fileSize: number;
  readonly mediaType: MediaType;
  readonly storageKey: string;
  readonly storageBucket: string;
  /** Sha-256 of the bytes; direct uploads only. */
  readonly directHash: string | null;
  readonly ttlSeconds: number;
}

/** What every statement selects or returns. Timestamps keep the database's precision, which a cursor depends on. */
export const COLUMNS: RawBuilder<unknown> = sql`
  id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
  width, height, duration, status, processing_error, content_hash, direct_hash, metadata,
  ${micros('created_at')}, ${micros('processed_at')}, ${micros('deleted_at')}, ${micros('upload_expires_at')},
  ${micros('purged_at')}, reservation_open, ${micros('drive_after')}, drive_count, timeout_count,
  ${micros('leftovers_due_at')}`;

export const NEW_ROW_TIMES: RawBuilder<unknown> = sql`
  ${micros('created_at')}, ${micros('upload_expires_at')}, ${micros('leftovers_due_at')}`;

function micros(column: string): RawBuilder<unknown> {
  return sql`(extract(epoch from ${sql.ref(column)}) * 1000000)::bigint as ${sql.ref(column)}`;
}

/**
 * The one place where a row becomes a `MediaFile`. By hand, not by the ORM's hydration: the rows come out of
 * conditional statements anyway, and a page of them is the hottest read there is.
 */
export function toMediaFile(row: MediaFileRow): MediaFile {
  return new MediaFile({
    id: row.id,
    userId: row.user_id,
    fileName: row.file_name,
    originalFileName: row.original_file_name,
    mimeType: row.mime_type,
    fileSize: Number(row.file_size),
    mediaType: row.media_type,
    storageKey: row.storage_key,
    storageBucket: row.storage_bucket,
    width: row.width,
    height: row.height,
    duration: row.duration,
    status: row.status,
    processingError: row.processing_error,
    contentHash: row.content_hash,
    directHash: row.direct_hash,
    metadata: row.metadata,
    createdAtMicros: BigInt(row.created_at),
    createdAt: toDate(row.created_at),
    processedAt: toDateOrNull(row.processed_at),
    deletedAt: toDateOrNull(row.deleted_at),
    uploadExpiresAt: toDate(row.upload_expires_at),
    purgedAt: toDateOrNull(row.purged_at),
    reservationOpen: row.reservation_open,
    driveAfter: toDateOrNull(row.drive_after),
    driveCount: row.drive_count,
    timeoutCount: row.timeout_count,
    leftoversDueAt: toDateOrNull(row.leftovers_due_at),
  });
}

/** A row as it was just inserted. Only what could not be known comes back from the database: the rest was sent there. */
export function newMediaFile(file: NewMediaFile, times: NewRowTimes): MediaFile {
  return new MediaFile({
    id: file.id,
    userId: file.userId,
    fileName: file.id,
    originalFileName: file.originalFileName,
    mimeType: file.mimeType,
    fileSize: file.fileSize,
    mediaType: file.mediaType,
    storageKey: file.storageKey,
    storageBucket: file.storageBucket,
    width: null,
    height: null,
    duration: null,
    status: 'pending',
    processingError: null,
    contentHash: null,
    directHash: file.directHash,
    metadata: null,
    createdAtMicros: BigInt(times.created_at),
    createdAt: toDate(times.created_at),
    processedAt: null,
    deletedAt: null,
    uploadExpiresAt: toDate(times.upload_expires_at),
    purgedAt: null,
    reservationOpen: true,
    driveAfter: null,
    driveCount: 0,
    timeoutCount: 0,
    leftoversDueAt: toDateOrNull(times.leftovers_due_at),
  });
}

function toDate(microseconds: string): Date {
  return new Date(Math.floor(Number(microseconds) / 1000));
}

function toDateOrNull(microseconds: string | null): Date | null {
  return microseconds === null ? null : toDate(microseconds);
}
