import type { TestDatabase } from '../support/test-database.js';

/** A state that a media file entered, and the one it was in before; null for a new one. */
export interface WitnessedStep {
  readonly number: string;
  readonly media_file_id: string;
  readonly user_id: string;
  readonly before: string | null;
  readonly after: string;
}

/**
 * Writes down inside the database what no look from outside could be sure to catch: every state that a file is ever
 * in, and every ledger that disagrees with its rows at the end of any transaction.
 */
export async function installWitness(database: TestDatabase): Promise<void> {
  for (const statement of STATEMENTS) {
    await database.query(statement);
  }
}

/** What became of files after that step, in the order in which it happened to each of them. */
export async function stepsSince(database: TestDatabase, number: number): Promise<WitnessedStep[]> {
  return database.query<WitnessedStep>('select * from witnessed_steps where number > $1 order by number', [
    number,
  ]);
}

/** Every moment at which a ledger was not what the rows amounted to. */
export async function witnessedDrift(database: TestDatabase): Promise<object[]> {
  return database.query('select * from witnessed_drift limit 5');
}

const STATEMENTS = [
  `create table witnessed_steps (
     number bigserial primary key, media_file_id uuid not null, user_id uuid not null, before text, after text not null)`,
  `create table witnessed_drift (
     user_id uuid not null, limit_bytes bigint, used_bytes bigint, reserved_bytes bigint,
     actual_used bigint, actual_reserved bigint)`,
  `create function state_of(file media_files) returns text language sql as $$
     select concat_ws(' ', file.status, file.processing_error,
       case when file.deleted_at is not null then 'deleted' end,
       case when file.purged_at is not null then 'purged' end,
       case when file.reservation_open then 'reserved' end,
       case when file.upload_expires_at <= now() then 'closed' end) $$`,
  `create function witness_step() returns trigger language plpgsql as $$
     declare
       file media_files := case when tg_op = 'DELETE' then old else new end;
       before text := case when tg_op = 'UPDATE' then state_of(old) end;
       after text := case when tg_op = 'DELETE' then 'no row' else state_of(new) end;
     begin
       if before is distinct from after then
         insert into witnessed_steps (media_file_id, user_id, before, after)
         values (file.id, file.user_id, before, after);
       end if;
       return null;
     end $$`,
  // By the end of a transaction, for a statement changes both tables one after the other.
  `create function witness_drift() returns trigger language plpgsql as $$
     begin
       insert into witnessed_drift
       select q.user_id, q.limit_bytes, q.used_bytes, q.reserved_bytes, actual.used, actual.reserved
       from storage_quotas q, lateral (
         select
           coalesce(sum(file_size) filter (where deleted_at is null and status in ('processing', 'ready')), 0) as used,
           coalesce(sum(file_size) filter (where reservation_open), 0) as reserved
         from media_files f where f.user_id = q.user_id) actual
       where q.user_id = new.user_id and (q.used_bytes <> actual.used or q.reserved_bytes <> actual.reserved
         or q.used_bytes + q.reserved_bytes > q.limit_bytes);
       return null;
     end $$`,
  `create trigger witness_step after insert or update or delete on media_files
     for each row execute function witness_step()`,
  ...['media_files', 'storage_quotas'].map(
    (table) => `create constraint trigger witness_drift after insert or update on ${table}
      deferrable initially deferred for each row execute function witness_drift()`,
  ),
];
