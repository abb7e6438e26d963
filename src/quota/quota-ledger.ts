import { type RawBuilder, sql } from 'kysely';
import type { Value } from '../database/statement.js';

/**
 * The entries of the quota ledger, as parts of a larger statement.
 *
 * A file's state and its owner's ledger change in one SQL statement (data-modifying CTEs), so that no crash and no
 * race can move one without the other, at one round trip. The repositories in `src/media` supply the part about
 * the file; what happens to the ledger is written here and nowhere else.
 *
 * One order of locks: the ledger first, then the file. A reservation cannot do otherwise, and it may have to wait for
 * the row of a twin (a unique index). Were the others to take the file first, the two could wait for each other.
 */

/**
 * Takes bytes out of what is available, if they fit. Yields `user_id`, or no row when they do not.
 *
 * @param andOnlyIf a further condition, beginning with `and`
 */
export function reserve(
  userId: Value<string>,
  bytes: Value<number>,
  andOnlyIf: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  return sql`
    update storage_quotas set reserved_bytes = reserved_bytes + ${bytes}
    where user_id = ${userId} and used_bytes + reserved_bytes + ${bytes} <= limit_bytes ${andOnlyIf}
    returning user_id`;
}

/**
 * Takes the ledger of the owner before his file is touched, as the CTE `owner`, which the file joins.
 *
 * The entries below reckon with what was read here, under the lock. Were they to reckon with the row that they find, one
 * that had to wait would first be tried on the row as it was before the wait, and the CHECKs are made on that try: a
 * deletion right behind a confirm would free what is not there yet, and fail.
 */
export function hold(userId: Value<string>): RawBuilder<unknown> {
  return sql`
    select user_id, used_bytes, reserved_bytes from storage_quotas where user_id = (${userId}) for no key update`;
}

/**
 * Takes the ledgers of several users, as the CTE `owner`, and says what is `available` in each. One that somebody else has
 * taken is left out, so that no user has to wait for another one, and nobody holds one while he waits for the next.
 *
 * @param userIds a query for them, each once, in a column `user_id`
 */
export function holdThoseFree(userIds: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select q.user_id, q.used_bytes, q.reserved_bytes, q.limit_bytes - q.used_bytes - q.reserved_bytes as available
    from (${userIds}) wanted join storage_quotas q on q.user_id = wanted.user_id
    for no key update of q skip locked`;
}

/** The rows of the CTE `file`, where there may be several of one user: one row for each user. */
export const FILES_BY_OWNER = sql`(select user_id, sum(file_size) as file_size from file group by user_id)`;

const FILE = sql`file`;

/** Reserves what the rows take that have been inserted under `holdThoseFree`, by users whom they fit. */
export function reserveHeld(): RawBuilder<unknown> {
  return sql`
    update storage_quotas q set reserved_bytes = owner.reserved_bytes + file.file_size
    from ${FILES_BY_OWNER} file, owner where q.user_id = owner.user_id and file.user_id = owner.user_id`;
}

/** Turns the reservation of the row in the CTE `file` into use, or those of `FILES_BY_OWNER`. */
export function settle(files: RawBuilder<unknown> = FILE): RawBuilder<unknown> {
  return sql`
    update storage_quotas q
    set reserved_bytes = owner.reserved_bytes - file.file_size, used_bytes = owner.used_bytes + file.file_size
    from ${files} file, owner where q.user_id = owner.user_id and file.user_id = owner.user_id`;
}

/** Gives back the reservation of the row in the CTE `file`, or those of `FILES_BY_OWNER`. */
export function release(files: RawBuilder<unknown> = FILE): RawBuilder<unknown> {
  return sql`
    update storage_quotas q set reserved_bytes = owner.reserved_bytes - file.file_size
    from ${files} file, owner where q.user_id = owner.user_id and file.user_id = owner.user_id`;
}

/** Gives back what the row in the CTE `file` used, where that row had been settled. */
export function free(): RawBuilder<unknown> {
  return sql`
    update storage_quotas q set used_bytes = owner.used_bytes - file.file_size
    from file, owner where q.user_id = owner.user_id and file.user_id = owner.user_id and file.settled`;
}
