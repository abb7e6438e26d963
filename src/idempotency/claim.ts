import { type RawBuilder, sql } from 'kysely';

/** What makes two requests the same one: who sends it, where to, and under which key. */
export interface IdempotencySlot {
  readonly userId: string;
  /** Method and route template. */
  readonly route: string;
  readonly key: string;
}

/** The right to carry out the request of a slot. It can be lost to a later one, so every statement that uses it asks. */
export interface Claim {
  readonly slot: IdempotencySlot;
  /** Made anew for every request that takes the slot on. */
  readonly owner: string;
}

/** The row of this slot. */
export function atSlot({ userId, route, key }: IdempotencySlot): RawBuilder<unknown> {
  return sql`user_id = ${userId} and route = ${route} and key = ${key}`;
}

/** True while the claim is good, and nothing has been answered. */
export function isHeld({ slot, owner }: Claim): RawBuilder<unknown> {
  return sql`${atSlot(slot)} and owner = ${owner} and status_code is null`;
}

/**
 * Keeps others from taking the claim over until the end of the statement or transaction. Yields no row when it is
 * lost. Comes before any lock on a ledger or a file.
 */
export function holdClaim(claim: Claim): RawBuilder<unknown> {
  return sql`select 1 from idempotency_keys where ${isHeld(claim)} for no key update`;
}

/**
 * Writes down which files a request has made, in the statement that makes them: so whoever repeats the request after
 * a crash finds them. An item without a file of its own leaves a gap (null).
 */
export function recordFiles(
  claim: Claim,
  ids: readonly (string | null)[],
  onlyIf: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`
    update idempotency_keys set media_file_ids = ${ids}::uuid[]
    where ${isHeld(claim)} and ${onlyIf}`;
}
