import { type RawBuilder, sql } from 'kysely';
import { type Claim, holdClaim, recordFiles } from '../idempotency/claim.js';
import type { Value } from '../database/statement.js';
import { reserve } from '../quota/quota-ledger.js';

/**
 * How a statement begins that inserts files out of the CTE `ledger`, which has a row only if the bytes fit. For a
 * request with an `Idempotency-Key` it also has none once the claim was lost, and the ids are written down with the
 * rows: all of it happens, or nothing.
 *
 * @param andOnlyIf a further condition, beginning with `and`
 */
export function reservation(
  userId: Value<string>,
  bytes: Value<number>,
  claim: Claim | null,
  ids: readonly (string | null)[],
  andOnlyIf: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  if (claim === null) {
    return sql`with ledger as (${reserve(userId, bytes, andOnlyIf)})`;
  }
  return sql`
    with held as (${holdClaim(claim)}),
    ledger as (${reserve(userId, bytes, sql`and exists (select from held) ${andOnlyIf}`)}),
    recorded as (${recordFiles(claim, ids, sql`exists (select from ledger)`)})`;
}
