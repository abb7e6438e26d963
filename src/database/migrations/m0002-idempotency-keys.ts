import { Migration } from '@mikro-orm/migrations';

/** Which requests were sent under which `Idempotency-Key`, and what they were answered. */
export class M0002IdempotencyKeys extends Migration {
  override up(): void {
    this.addSql(IDEMPOTENCY_KEYS);
    // The sweeper removes the oldest rows, and reads no others.
    this.addSql('create index idempotency_keys_created_idx on idempotency_keys (created_at)');
  }

  override down(): void {
    this.addSql('drop table idempotency_keys');
  }
}

// A key's row changes once or twice within moments of its insertion: room on the page keeps that off the indexes. The
// answer is text, not jsonb, which would not give back the same bytes.
const IDEMPOTENCY_KEYS = `
  create table idempotency_keys (
    user_id uuid not null references user_profiles (id),
    route text not null,
    key text not null,
    fingerprint bytea not null,
    owner uuid not null,
    locked_until timestamptz not null,
    media_file_ids uuid[],
    status_code smallint,
    response text,
    created_at timestamptz not null default now(),
    constraint idempotency_keys_pkey primary key (user_id, route, key),
    constraint idempotency_keys_key_check check (octet_length(key) between 1 and 255),
    constraint idempotency_keys_fingerprint_check check (octet_length(fingerprint) = 32),
    constraint idempotency_keys_response_check check ((status_code is null) = (response is null))
  ) with (fillfactor = 70)`;
