import { type RawBuilder, sql } from 'kysely';

/** On this channel every file is named, by its id, that has become `ready` or `failed`, or was deleted. */
export const SETTLED_CHANNEL = 'media_settled';

/**
 * Says so, for the list of what a statement that settles files returns: evaluated there once for each row that it has
 * changed, and never for one that it has not. A CTE that nobody reads would not be evaluated at all. PostgreSQL passes
 * it on when the statement is committed, and not otherwise.
 */
export function tellSettled(): RawBuilder<unknown> {
  return sql`pg_notify(${SETTLED_CHANNEL}, id::text)`;
}
