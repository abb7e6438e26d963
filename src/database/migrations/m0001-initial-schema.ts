import { Migration } from '@mikro-orm/migrations';

/** The three tables, their rules and the indexes that the queries in `src/media` need. */
export class M0001InitialSchema extends Migration {
  override up(): void {
    this.addSql(USER_PROFILES);
    this.addSql(STORAGE_QUOTAS);
    this.addSql(MEDIA_FILES);
    for (const index of MEDIA_INDEXES) {
      this.addSql(index);
    }
  }

  override down(): void {
    this.addSql('drop table media_files');
    this.addSql('drop table storage_quotas');
    this.addSql('drop table user_profiles');
  }
}

const USER_PROFILES = `
  create table user_profiles (
    id uuid primary key,
    user_info_id text not null,
    created_at timestamptz not null default now(),
    constraint user_profiles_user_info_id_key unique (user_info_id),
    constraint user_profiles_user_info_id_check check (length(user_info_id) between 1 and 255)
  )`;

// Every upload of a user updates this one row: room on the page keeps those updates off the index (HOT updates).
const STORAGE_QUOTAS = `
  create table storage_quotas (
    user_id uuid primary key references user_profiles (id),
    limit_bytes bigint not null,
    used_bytes bigint not null default 0,
    reserved_bytes bigint not null default 0,
    constraint storage_quotas_limit_bytes_check check (limit_bytes >= 0),
    constraint storage_quotas_used_bytes_check check (used_bytes >= 0),
    constraint storage_quotas_reserved_bytes_check check (reserved_bytes >= 0)
  ) with (fillfactor = 50)`;

const MEDIA_FILES = `
  create table media_files (
    id uuid primary key,
    user_id uuid not null references user_profiles (id),
    file_name text not null,
    original_file_name text not null,
    mime_type text not null,
    file_size bigint not null,
    media_type text not null,
    storage_key text not null,
    storage_bucket text not null,
    width integer,
    height integer,
    duration double precision,
    status text not null,
    processing_error text,
    content_hash text,
    direct_hash text,
    metadata jsonb,
    created_at timestamptz not null default now(),
    processed_at timestamptz,
    deleted_at timestamptz,
    upload_expires_at timestamptz not null,
    purged_at timestamptz,
    reservation_open boolean not null,
    drive_after timestamptz,
    drive_count integer not null default 0,
    timeout_count integer not null default 0,
    leftovers_due_at timestamptz,
    constraint media_files_status_check check (status in ('pending', 'processing', 'ready', 'failed')),
    constraint media_files_media_type_check check (media_type in ('image', 'video', 'audio')),
    constraint media_files_file_size_check check (file_size > 0),
    constraint media_files_content_hash_check check (content_hash ~ '^[0-9a-f]{64}$'),
    constraint media_files_reservation_check check (not reservation_open or status in ('pending', 'failed'))
  ) with (fillfactor = 85)`;

const MEDIA_INDEXES = [
  // Listing: what a user sees by default, in the order of the cursor.
  `create index media_user_idx on media_files (user_id, created_at desc, id desc)
     where deleted_at is null and status <> 'failed'`,
  `create index media_type_idx on media_files (user_id, media_type, created_at desc, id desc)
     where deleted_at is null and status <> 'failed'`,
  `create index media_user_status_idx on media_files (user_id, status, created_at desc, id desc)
     where deleted_at is null`,
  // Deduplication: live files by the hash that we measured.
  `create index media_hash_idx on media_files (content_hash, user_id)
     where deleted_at is null and content_hash is not null`,
  // Of all direct uploads of the same bytes by one user at once, one row wins.
  `create unique index media_files_direct_hash_key on media_files (user_id, direct_hash)
     where deleted_at is null and status <> 'failed' and direct_hash is not null`,
  // The sweeper: each index holds only the rows that still need it, so it stays small however many files there are.
  `create index media_status_idx on media_files (status, created_at)
     where deleted_at is null and status in ('pending', 'processing')`,
  'create index media_reservation_idx on media_files (upload_expires_at) where reservation_open',
  'create index media_drive_idx on media_files (drive_after) where drive_after is not null',
  'create index media_leftovers_idx on media_files (leftovers_due_at) where leftovers_due_at is not null',
];
