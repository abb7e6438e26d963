const RESERVE = `
  with ledger as (
    update storage_quotas set reserved_bytes = reserved_bytes + $5
    where user_id = $2 and used_bytes + reserved_bytes + $5 <= limit_bytes
    returning user_id)`;

const REQUEST_UPLOAD = `${RESERVE}
  insert into media_files (
    id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
    status, reservation_open, upload_expires_at, leftovers_due_at)
  select $1::uuid, user_id, $1::uuid::text, $3, $4, $5::bigint, 'image', $6, 'media', 'pending', true,
    now() + interval '15 minutes', now() + interval '25 minutes'
  from ledger
  returning id, storage_key, upload_expires_at`;

const STORE_DIRECTLY = `
  with ledger as (
    update storage_quotas set used_bytes = used_bytes + $5
    where user_id = $2 and used_bytes + reserved_bytes + $5 <= limit_bytes
    returning user_id)
  insert into media_files (
    id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
    status, reservation_open, upload_expires_at, content_hash, direct_hash, drive_after)
  select $1::uuid, user_id, $1::uuid::text, $3, $4, $5::bigint, 'image', $6, 'media', 'processing', false, now(), $7, $7,
    now() + interval '30 seconds'
  from ledger
  returning id, storage_key, created_at`;

const LIST_NEWEST = `
  select id, user_id, file_name, original_file_name, mime_type, file_size, media_type, storage_key, storage_bucket,
    width, height, duration, status, processing_error, content_hash, metadata, created_at, processed_at, deleted_at
  from media_files
  where user_id = $1 and deleted_at is null and status <> 'failed'
  order by created_at desc, id desc
  limit 21`;

/** The one statement that each request cannot do without: the floor runs these and nothing else. */
export const STATEMENTS = {
  requestUpload: REQUEST_UPLOAD,
  storeDirectly: STORE_DIRECTLY,
  listNewest: LIST_NEWEST,
} as const;
