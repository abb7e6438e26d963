/** Where the auditor looks; it knows no more of the service than its tables and its buckets. */
export interface AuditedPlace {
  query<Row extends object>(text: string): Promise<Row[]>;
  /** Every object that has bytes, as `<area>/<key>`. */
  objects(): Promise<string[]>;
}

interface FileRow {
  id: string;
  status: string;
  storage_key: string;
  deleted: boolean;
}

/**
 * Compares rows, ledger and objects, when everything has come to rest.
 *
 * @returns what does not agree, in words; empty when all is well
 */
export async function audit(place: AuditedPlace): Promise<string[]> {
  const files = await place.query<FileRow>(
    'select id, status, storage_key, deleted_at is not null as deleted from media_files',
  );
  const objects = new Set(await place.objects());
  return [...unsettled(files), ...missingObjects(files, objects), ...strayObjects(files, objects)].concat(
    await ledgerDrift(place),
  );
}

function unsettled(files: readonly FileRow[]): string[] {
  return files
    .filter(({ status, deleted }) => !deleted && status !== 'ready' && status !== 'failed')
    .map(({ id, status }) => `${id} is still ${status}`);
}

function missingObjects(files: readonly FileRow[], objects: ReadonlySet<string>): string[] {
  return files
    .filter(({ status, deleted }) => !deleted && status === 'ready')
    .flatMap(({ storage_key: key }) => objectsOf(key))
    .filter((name) => !objects.has(name))
    .map((name) => `${name} is missing`);
}

function strayObjects(files: readonly FileRow[], objects: ReadonlySet<string>): string[] {
  const wanted = new Set(
    files
      .filter(({ status, deleted }) => !deleted && status === 'ready')
      .flatMap(({ storage_key: key }) => objectsOf(key)),
  );
  return [...objects].filter((name) => !wanted.has(name)).map((name) => `${name} belongs to no live file`);
}

function objectsOf(key: string): string[] {
  const stem = key.replace(/\.[^.]+$/, '');
  return [key, `${stem}_thumbnail.webp`, `${stem}_medium.webp`].map((name) => `media/${name}`);
}

/** Written anew here, so that a mistake in the reconciler's own sums would show. */
async function ledgerDrift(place: AuditedPlace): Promise<string[]> {
  const rows = await place.query<{ user_id: string; ledger: string; files: string }>(`
    select q.user_id, q.used_bytes || ' used, ' || q.reserved_bytes || ' reserved' as ledger,
      coalesce(f.used, 0) || ' used, ' || coalesce(f.reserved, 0) || ' reserved' as files
    from storage_quotas q left join (
      select user_id,
        sum(file_size) filter (where deleted_at is null and status in ('processing', 'ready')) as used,
        sum(file_size) filter (where reservation_open) as reserved
      from media_files group by user_id) f using (user_id)`);
  return rows
    .filter(({ ledger, files }) => ledger !== files)
    .map(
      ({ user_id: user, ledger, files }) => `The ledger of ${user} says ${ledger}; its files say ${files}`,
    );
}
