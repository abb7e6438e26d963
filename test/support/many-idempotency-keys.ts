import type { TestDatabase } from './test-database.js';

export const KEYS = 50_000;
/** Older than a day: what the sweeper was kept from for an hour. */
export const OLD_KEYS = 2_000;

/** A day's answered requests on top of the made-up installation, and some that are due to be forgotten. */
export async function insertManyIdempotencyKeys(database: TestDatabase): Promise<void> {
  await database.query(`
    insert into idempotency_keys (
      user_id, route, key, fingerprint, owner, locked_until, media_file_ids, status_code, response, created_at)
    select id, 'POST /v1/media/uploads', md5('key ' || n), sha256(n::text::bytea), gen_random_uuid(), created_at,
      array[gen_random_uuid()], 201, repeat('x', 900), created_at
    from (
      select (select id from user_profiles order by id offset n % 1000 limit 1) as id, n,
        now() - case when n <= ${OLD_KEYS} then interval '24 hours 30 minutes' else n * interval '1.5 s' end as created_at
      from generate_series(1, ${KEYS}) n) k`);
  await database.query('vacuum (analyze) idempotency_keys');
}
