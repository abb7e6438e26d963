import { type RawBuilder, sql } from 'kysely';
import type { Value } from '../database/statement.js';

/**
 * How long after an upload window has closed a PUT that began in time may still be arriving; requests are cut after
 * five minutes (`connection-limits.ts`).
 */
export const LEFTOVERS_GRACE_SECONDS = 600;

/** Whose ledger a change of this file moves. */
export function ownerOf(id: Value<string>): RawBuilder<string> {
  return sql<string>`select user_id from media_files where id = ${id}`;
}

/**
 * This one file, if that is true of it, in words of which an index knows only the id. A statement is planned once, perhaps while
 * the table is next to empty and every index looks alike; it must never look for a file among all those of its owner, or all
 * those that are pending.
 */
export function byId(id: Value<string>, andOnlyIf: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`id = ${id} and (${andOnlyIf}) is true`;
}

export function seconds(count: Value<number>): RawBuilder<unknown> {
  return sql`make_interval(secs => ${count})`;
}

/** The bytes may still come and be confirmed. */
export const OPEN = sql`status = 'pending' and deleted_at is null and upload_expires_at > now()`;

/** The user's verified files with these bytes. */
export function liveWith(userId: Value<string>, contentHash: Value<string>): RawBuilder<unknown> {
  return sql`content_hash = ${contentHash} and user_id = ${userId} and deleted_at is null
    and status in ('processing', 'ready')`;
}

/** The rows that the unique index over direct uploads has: of those with the same bytes, one wins. */
export const DIRECT = sql`deleted_at is null and status <> 'failed' and direct_hash is not null`;
