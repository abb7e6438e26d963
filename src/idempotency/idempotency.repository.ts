import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { Database } from '../database/database.js';
import { atSlot, type Claim, type IdempotencySlot, isHeld } from './claim.js';

/** How long an answer is kept, from the first request on. */
export const KEPT_HOURS = 24;
/** How long a request that says nothing more keeps others off. Work that takes longer may lose its claim, not its sense. */
const LEASE_SECONDS = 30;

/** What was answered, exactly as it went over the wire. */
export interface StoredAnswer {
  readonly status: number;
  readonly json: string;
}

/** What a request finds under its key. */
export type Finding =
  /** Nothing, or what somebody left who can no longer do anything about it: it is ours to do. */
  | { readonly state: 'claimed'; readonly claim: Claim }
  | { readonly state: 'other_body' }
  | { readonly state: 'in_flight' }
  /** The files are there and only the answer is not: whoever asks may give it. */
  | {
      readonly state: 'unanswered';
      readonly claim: Claim;
      readonly mediaFileIds: readonly (string | null)[];
    }
  | { readonly state: 'answered'; readonly answer: StoredAnswer };

interface KeyRow {
  claimed: boolean;
  same_body: boolean;
  owner: string;
  media_file_ids: (string | null)[] | null;
  status_code: number | null;
  response: string | null;
}

const IS_OVER = sql`k.created_at <= now() - make_interval(hours => ${KEPT_HOURS})`;
const LEASE_END = sql`now() + make_interval(secs => ${LEASE_SECONDS})`;

/** What becomes of idempotency keys. Each transition is one conditional statement; who gets no row lost the race. */
@Injectable()
export class IdempotencyRepository {
  constructor(private readonly database: Database) {}

  /**
   * Takes the slot if it is free: new, older than a day, or left by a request that made nothing and whose lease has
   * run out. Otherwise says what is there; null when that went away under our hands, so ask again.
   */
  async claim(slot: IdempotencySlot, print: Buffer, owner: string): Promise<Finding | null> {
    const row = await this.database.first(sql<KeyRow>`
      with claimed as (
        insert into idempotency_keys as k (user_id, route, key, fingerprint, owner, locked_until)
        values (${slot.userId}, ${slot.route}, ${slot.key}, ${print}, ${owner}, ${LEASE_END})
        on conflict (user_id, route, key) do update
        set owner = excluded.owner, locked_until = excluded.locked_until, fingerprint = excluded.fingerprint,
          created_at = case when ${IS_OVER} then now() else k.created_at end,
          media_file_ids = null, status_code = null, response = null
        where ${IS_OVER} or (
          k.fingerprint = excluded.fingerprint and k.status_code is null and k.media_file_ids is null
          and k.locked_until <= now())
        returning k.*)
      select true as claimed, true as same_body, owner, media_file_ids, status_code, response from claimed
      union all
      select false, fingerprint = ${print}, owner, media_file_ids, status_code, response from idempotency_keys
      where ${atSlot(slot)} and not exists (select from claimed)`);
    return row && findingOf(slot, row);
  }

  /** What is there now, without taking it. */
  async find(slot: IdempotencySlot): Promise<{ owner: string; answer: StoredAnswer | null } | null> {
    const row = await this.database.first(sql<Pick<KeyRow, 'owner' | 'status_code' | 'response'>>`
      select owner, status_code, response from idempotency_keys where ${atSlot(slot)}`);
    return row && { owner: row.owner, answer: answerOf(row) };
  }

  /** Keeps the answer; false when there is one already, or the claim is somebody else's now. */
  async complete(claim: Claim, { status, json }: StoredAnswer): Promise<boolean> {
    return this.changed(sql`
      update idempotency_keys set status_code = ${status}, response = ${json}
      where ${isHeld(claim)}
      returning 1`);
  }

  /** Nothing was done: the key is free again. False when something was, or the claim is somebody else's now. */
  async release(claim: Claim): Promise<boolean> {
    return this.changed(sql`
      delete from idempotency_keys where ${isHeld(claim)} and media_file_ids is null
      returning 1`);
  }

  /** The files of an unanswered request are of no use any more: takes it on anew. Null when somebody else just has. */
  async restart({ slot, owner }: Claim, newOwner: string): Promise<Claim | null> {
    const taken = await this.changed(sql`
      update idempotency_keys set owner = ${newOwner}, locked_until = ${LEASE_END}, media_file_ids = null
      where ${isHeld({ slot, owner })}
      returning 1`);
    return taken ? { slot, owner: newOwner } : null;
  }

  /** Removes what is older than a day, oldest first. @returns how many keys went */
  async removeOver(limit: number): Promise<number> {
    const rows = await this.database.rows(sql`
      delete from idempotency_keys
      where (user_id, route, key) in (
        select user_id, route, key from idempotency_keys k
        where ${IS_OVER} order by k.created_at limit ${limit}
        for update skip locked)
      returning 1`);
    return rows.length;
  }

  private async changed(query: RawBuilder<unknown>): Promise<boolean> {
    return (await this.database.first(query)) !== null;
  }
}

function findingOf(slot: IdempotencySlot, row: KeyRow): Finding {
  const claim = { slot, owner: row.owner };
  const answer = answerOf(row);
  if (row.claimed) {
    return { state: 'claimed', claim };
  }
  if (!row.same_body) {
    return { state: 'other_body' };
  }
  if (answer !== null) {
    return { state: 'answered', answer };
  }
  return row.media_file_ids === null
    ? { state: 'in_flight' }
    : { state: 'unanswered', claim, mediaFileIds: row.media_file_ids };
}

function answerOf({
  status_code: status,
  response: json,
}: Pick<KeyRow, 'status_code' | 'response'>): StoredAnswer | null {
  return status === null || json === null ? null : { status, json };
}
