import type { TestDatabase } from './test-database.js';

export const FILES = 100_000;
export const USERS = 2_000;
/** Numbers of users: the one with a fifth of all files, and one with fifty. */
export const HEAVY_USER = 0;
export const LIGHT_USER = 6;

/** Ids follow from numbers, so that tests can name rows without reading them first. */
const userId = (number: string) => `md5('user ' || ${number})::uuid`;

/**
 * Fills an empty, migrated database as a busy installation would look: one user with every fifth file, most others
 * with fifty each, some with none; most files ready, some failed, deleted or under way; work for each of the sweeps.
 */
export async function insertManyMediaFiles(database: TestDatabase): Promise<void> {
  await database.query(`
    insert into user_profiles (id, user_info_id)
    select ${userId('u')}, 'user ' || u from generate_series(0, ${USERS - 1}) u`);
  await database.query(INSERT_FILES);
  await database.query(`
    insert into storage_quotas (user_id, limit_bytes, used_bytes, reserved_bytes)
    select p.id, 1000000000000,
      coalesce(sum(file_size) filter (where deleted_at is null and status in ('processing', 'ready')), 0),
      coalesce(sum(file_size) filter (where reservation_open), 0)
    from user_profiles p left join media_files f on f.user_id = p.id group by p.id`);
  // What autovacuum does by itself after a while: statistics, and the map of pages that all can see.
  for (const table of ['user_profiles', 'media_files', 'storage_quotas']) {
    await database.query(`vacuum (analyze) ${table}`);
  }
}

/** The id of the user with that number. */
export async function idOfUser(database: TestDatabase, number: number): Promise<string> {
  const [row] = await database.query<{ id: string }>(`select ${userId('$1::text')} as id`, [number]);
  if (row === undefined) {
    throw new Error('A select without a table gives one row');
  }
  return row.id;
}

// Out of a thousand files: 900 ready, 40 deleted and 3 being deleted, 30 failed, 14 pending (a third of them
// expired), 3 in processing, 10 with leftovers to look for. Files under way are new, the others a year's worth. Every
// fortieth is a video, which the schema knows, though no route accepts one yet.
const INSERT_FILES = `
  insert into media_files (
    id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
    width, height, status, processing_error, content_hash, direct_hash, metadata, created_at, processed_at,
    deleted_at, upload_expires_at, purged_at, reservation_open, drive_after, leftovers_due_at)
  select id, user_id, id, 'photo ' || n || '.jpg', 'image/jpeg', 500000 + n, case when n % 40 = 0 then 'video' else 'image' end,
    'users/' || user_id || '/image/2026/11/' || id || '.jpg', 'media',
    case when kind in ('ready', 'leftovers') then 4000 end, case when kind in ('ready', 'leftovers') then 3000 end,
    case when kind in ('pending', 'processing', 'failed') then kind else 'ready' end,
    case when kind = 'failed' then 'unreadable' end,
    case when kind not in ('pending', 'failed') then hash end,
    case when n % 10 = 0 then hash end,
    case when kind = 'ready' then jsonb_build_object('format', 'jpeg', 'frames', 1, 'hasAlpha', false,
      'takenAt', null, 'thumbHash', '1QcSHQRnh493V4dIh4eXh1h4kJUI') end,
    created_at, case when kind not in ('pending', 'processing') then created_at + interval '2 s' end,
    case when kind in ('deleted', 'deleting') then created_at + interval '1 day' end,
    case when kind = 'pending' then now() + (n % 900 - 300) * interval '1 s' else created_at + interval '15 min' end,
    case when kind in ('deleted', 'failed') then created_at + interval '1 day' end,
    kind = 'pending',
    case when kind in ('processing', 'deleting') then now() + (n % 60 - 30) * interval '1 s' end,
    case when kind = 'pending' then now() + (n % 900 + 300) * interval '1 s'
      when kind = 'leftovers' then now() + (n % 1500 - 750) * interval '1 s' end
  from (
    select n, kind, created_at, encode(sha256(n::text::bytea), 'hex') as hash,
      ${userId(`case when n % 5 = 0 then ${HEAVY_USER} else n % ${USERS} end`)} as user_id,
      -- Like UUIDv7: the time first, so that new rows lie together in the primary key.
      (lpad(to_hex((extract(epoch from created_at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid as id
    from (
      select n, kind,
        now() - case when kind in ('pending', 'processing') then n % 600 * interval '1 s'
          else n * interval '5 min' end as created_at
      from (
        select n, case
            when dice < 40 then 'deleted' when dice < 43 then 'deleting' when dice < 73 then 'failed'
            when dice < 87 then 'pending' when dice < 90 then 'processing' when dice < 100 then 'leftovers'
            else 'ready' end as kind
        from (
          select n, ('x' || substr(md5('dice ' || n), 1, 7))::bit(28)::int % 1000 as dice
          from generate_series(1, ${FILES}) n) diced) sorted) dated) named`;
