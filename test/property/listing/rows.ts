import * as fc from 'fast-check';
import { MEDIA_STATUSES, type MediaStatus } from '../../../src/media/media-file.entity.js';
import { MEDIA_TYPES, type MediaType } from '../../../src/media/media-types.js';
import type { TestDatabase } from '../../support/test-database.js';

/** A row of `media_files`, as far as lists care. */
export interface ListedRow {
  readonly id: string;
  /** Microseconds since 1970. */
  readonly createdAt: bigint;
  readonly mediaType: MediaType;
  readonly status: MediaStatus;
  readonly deleted: boolean;
}

export interface Filter {
  readonly mediaType: MediaType | null;
  readonly status: MediaStatus | null;
}

// Few moments, so that ties and neighbours by a microsecond are the rule; one of them is the epoch, one is before it.
const MOMENTS = [1_772_366_400_123_456n, 1_772_366_400_999_999n, 0n, -1_000_001n, 7_258_118_400_000_000n];

export const moment = fc
  .tuple(fc.constantFrom(...MOMENTS), fc.bigInt({ min: -2n, max: 2n }))
  .map(([base, offset]) => base + offset);

export const row: fc.Arbitrary<ListedRow> = fc.record({
  id: fc.uuid({ version: 7 }),
  createdAt: moment,
  mediaType: fc.constantFrom(...MEDIA_TYPES),
  status: fc.constantFrom(...MEDIA_STATUSES),
  deleted: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
});

export const filter: fc.Arbitrary<Filter> = fc.record({
  mediaType: fc.option(fc.constantFrom(...MEDIA_TYPES), { freq: 2 }),
  status: fc.option(fc.constantFrom(...MEDIA_STATUSES), { freq: 2 }),
});

export function matches(listed: ListedRow, { mediaType, status }: Filter): boolean {
  return (
    !listed.deleted &&
    (mediaType === null || listed.mediaType === mediaType) &&
    (status === null ? listed.status !== 'failed' : listed.status === status)
  );
}

/** Negative when `one` comes first in a list: newest first, and then by id, the greater one first. */
export function inListOrder(one: ListedRow, other: ListedRow): number {
  if (one.createdAt !== other.createdAt) {
    return one.createdAt > other.createdAt ? -1 : 1;
  }
  return one.id === other.id ? 0 : one.id > other.id ? -1 : 1;
}

export async function insertRows(
  database: TestDatabase,
  userId: string,
  rows: readonly ListedRow[],
): Promise<void> {
  const values = rows.map((each) => ({
    ...each,
    createdAt: String(each.createdAt),
    key: `users/${userId}/image/2026/03/${each.id}.jpg`,
  }));
  await database.query(
    `insert into media_files (
       id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
       status, created_at, deleted_at, upload_expires_at, reservation_open)
     select id, $1, id, 'a.jpg', 'image/jpeg', 1, "mediaType", key, 'media', status,
       timestamptz 'epoch' + "createdAt"::bigint * interval '1 microsecond',
       case when deleted then now() end, now(), false
     from jsonb_to_recordset($2::jsonb) as r
       (id uuid, "createdAt" text, "mediaType" text, status text, deleted boolean, key text)`,
    [userId, JSON.stringify(values)],
  );
}

export async function updateRow(database: TestDatabase, { id, status, deleted }: ListedRow): Promise<void> {
  await database.query(
    'update media_files set status = $2, deleted_at = case when $3 then now() end where id = $1',
    [id, status, deleted],
  );
}
