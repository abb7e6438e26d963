import { type RawBuilder, sql } from 'kysely';

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
  userId: string,
  bytes: number,
  andOnlyIf: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  return sql`
    update storage_quotas set reserved_bytes = reserved_bytes + ${bytes}
    where user_id = ${userId} and used_bytes + reserved_bytes + ${bytes} <= limit_bytes ${andOnlyIf}
    returning user_id`;
}

/** Takes the ledger of the owner before his file is touched. Yields `user_id`; belongs into a CTE that the file joins. */
export function hold(userId: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`select user_id from storage_quotas where user_id = (${userId}) for no key update`;
}

/** Turns the reservation of the rows in the CTE `file` into use. */
export function settle(): RawBuilder<unknown> {
  return sql`
    update storage_quotas q
    set reserved_bytes = q.reserved_bytes - file.file_size, used_bytes = q.used_bytes + file.file_size
    from file where q.user_id = file.user_id`;
}

/** Gives back the reservation of the row in the CTE `file`. */
export function release(): RawBuilder<unknown> {
  return sql`
    update storage_quotas q set reserved_bytes = q.reserved_bytes - file.file_size
    from file where q.user_id = file.user_id`;
}

/** Gives back what the row in the CTE `file` used, where that row had been settled. */
export function free(): RawBuilder<unknown> {
  return sql`
    update storage_quotas q set used_bytes = q.used_bytes - file.file_size
    from file where q.user_id = file.user_id and file.settled`;
}
