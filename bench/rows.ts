import type { Client } from 'pg';

/**
 * Gives a user so many files that are ready, one a second, the newest a minute ago. The same rows whatever the count, so
 * that lists of different length begin alike.
 */
export async function addReadyFiles(database: Client, userId: string, count: number): Promise<void> {
  await database.query(
    `insert into media_files (
       id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
       width, height, status, content_hash, metadata, created_at, processed_at, upload_expires_at, reservation_open)
     select f.id, $1::uuid, f.id, 'photo ' || n || '.jpg', 'image/jpeg', 2000000, 'image',
       'users/' || $1::uuid::text || '/image/2026/11/' || f.id || '.jpg', 'media', 4000, 3000, 'ready',
       encode(sha256(f.id::text::bytea), 'hex'),
       '{"format":"jpeg","frames":1,"hasAlpha":false,"takenAt":null,"thumbHash":"1QcSHQRnh493V4dIh4eXh1h4kJUI"}',
       f.created_at, f.created_at, f.created_at, false
     from (
       select n, gen_random_uuid() as id, now() - interval '1 minute' - n * interval '1 second' as created_at
       from generate_series(1, $2::int) as n) as f`,
    [userId, count],
  );
  await database.query(
    'update storage_quotas set used_bytes = used_bytes + 2000000::bigint * $2::bigint where user_id = $1::uuid',
    [userId, count],
  );
}

/** Tables as autovacuum would leave them: statistics up to date, and no work of the inserts left over for the readers. */
export async function settleTables(database: Client): Promise<void> {
  await database.query('vacuum analyze media_files');
  await database.query('vacuum analyze storage_quotas');
  await database.query('checkpoint');
}
