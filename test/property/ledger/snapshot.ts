import { expect } from 'vitest';
import type { TestDatabase } from '../../support/test-database.js';
import type { FileState, State } from './state.js';

interface Row {
  readonly limit_bytes: string | null;
  readonly used_bytes: string | null;
  readonly reserved_bytes: string | null;
  readonly id: string | null;
  readonly file_size: string;
  readonly status: 'pending' | 'processing' | 'ready' | 'failed';
  readonly processing_error: string | null;
  readonly direct: boolean;
  readonly hashed: boolean;
  readonly open: boolean;
  readonly deleted: boolean;
  readonly reserved: boolean;
  readonly purged: boolean;
  readonly storage_key: string;
}

export type FileRow = Row & { readonly id: string };

/** A user's files and ledger, at one moment. */
export interface Snapshot {
  readonly rows: readonly FileRow[];
  readonly limit: number;
  readonly used: number;
  readonly reserved: number;
}

export async function snapshotOf(database: TestDatabase, userId: string): Promise<Snapshot> {
  const found = await database.query<Row>(
    `select q.limit_bytes, q.used_bytes, q.reserved_bytes, f.id, f.file_size, f.status, f.processing_error,
       f.direct_hash is not null as direct, f.content_hash is not null as hashed, f.upload_expires_at > now() as open,
       f.deleted_at is not null as deleted, f.reservation_open as reserved, f.purged_at is not null as purged,
       f.storage_key
     from (values ($1::uuid)) as me (user_id)
     left join storage_quotas q using (user_id) left join media_files f using (user_id)
     order by f.created_at, f.id`,
    [userId],
  );
  return {
    rows: found.filter((row): row is FileRow => row.id !== null),
    limit: Number(found[0]?.limit_bytes),
    used: Number(found[0]?.used_bytes),
    reserved: Number(found[0]?.reserved_bytes),
  };
}

/** What the ledger must say at any time. */
export function expectBalanced({ rows, limit, used, reserved }: Snapshot): void {
  const live = rows.filter(({ deleted, status }) => !deleted && ['processing', 'ready'].includes(status));
  expect({ used, reserved }).toEqual({
    used: bytesOf(live),
    reserved: bytesOf(rows.filter((row) => row.reserved)),
  });
  if (rows.length > 0) {
    expect(used + reserved).toBeLessThanOrEqual(limit);
  }
}

export function bytesOf(rows: readonly FileRow[]): number {
  return rows.reduce((sum, { file_size }) => sum + Number(file_size), 0);
}

/** The rows as the model would put them; what it knows about bytes no row can tell. */
export function asState({ rows }: Snapshot, sizes: readonly number[]): State {
  return Object.fromEntries(
    rows.map((row): [string, FileState] => [
      row.id,
      {
        picture: sizes.indexOf(Number(row.file_size)),
        direct: row.direct,
        status: row.processing_error === 'upload_expired' ? 'expired' : row.status,
        bytes: 'any',
        open: row.open,
        hashed: row.hashed,
        deleted: row.deleted,
        reserved: row.reserved,
      },
    ]),
  );
}
