import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../database/database.js';
import { SharedStatements } from '../database/shared-statements.js';
import { Statement } from '../database/statement.js';
import { FILES_BY_OWNER, holdThoseFree, reserveHeld, settle } from '../quota/quota-ledger.js';
import { DIRECT, liveWith, OPEN, seconds } from './conditions.js';
import { columnsOf, insertFrom, type NewFileColumns, newFiles } from './insertion.js';
import type { MediaFile } from './media-file.entity.js';
import {
  COLUMNS,
  type MediaFileRow,
  NEW_ROW_TIMES,
  newMediaFile,
  type NewMediaFile,
  type NewRowTimes,
  toMediaFile,
} from './media-file.row.js';

interface Insertion {
  readonly file: NewMediaFile;
  /** Not if the user has verified bytes with this hash. */
  readonly unlessLive: string | null;
}

interface Confirmation {
  readonly id: string;
  readonly userId: string;
  readonly contentHash: string | null;
  readonly driveAfterSeconds: number;
}

/**
 * What many requests want to do at the same time, in one statement for all of them: a request under load costs PostgreSQL a
 * quarter of what it costs alone.
 *
 * Each is still all or nothing by itself: who does not fit, was too late, or finds his ledger taken gets no row, and the
 * others get theirs. No row says only that; whoever gets none tries again by himself and finds out.
 */
@Injectable()
export class SharedChangesRepository {
  private readonly statements = new SharedStatements();
  private readonly insertion = this.statements.of((all: readonly Insertion[]) => this.insertAll(all));
  private readonly confirmation = this.statements.of((all: readonly Confirmation[]) => this.confirmAll(all));

  constructor(private readonly database: Database) {}

  /** Reserves the bytes and inserts the row; null when that is not to be had without a closer look. */
  async insert(file: NewMediaFile, unlessLive: string | null = null): Promise<MediaFile | null> {
    const times = await this.insertion({ file, unlessLive });
    return times ? newMediaFile(file, times) : null;
  }

  /** `pending → processing`, and reserved becomes used; null when that is not to be had without a closer look. */
  async confirm(confirmation: Confirmation): Promise<MediaFile | null> {
    const row = await this.confirmation(confirmation);
    return row ? toMediaFile(row) : null;
  }

  private async insertAll(all: readonly Insertion[]): Promise<(NewRowTimes | undefined)[]> {
    const rows = await this.database.rows(
      INSERT_ALL.with({
        ...columnsOf(all.map(({ file }) => file)),
        unlessLive: all.map(({ unlessLive }) => unlessLive),
        count: all.length,
      }),
    );
    return eachItsOwn(
      all.map(({ file }) => file.id),
      rows,
    );
  }

  private async confirmAll(all: readonly Confirmation[]): Promise<(MediaFileRow | undefined)[]> {
    const ids = all.map(({ id }) => id);
    const rows = await this.database.rows(
      CONFIRM_ALL.with({
        ids,
        userIds: all.map(({ userId }) => userId),
        contentHashes: all.map(({ contentHash }) => contentHash),
        driveAfterSeconds: all.map(({ driveAfterSeconds }) => driveAfterSeconds),
        count: all.length,
      }),
    );
    return eachItsOwn(ids, rows);
  }
}

/** A row goes to the first who asked for it: of two who confirm one file, one was faster. */
function eachItsOwn<Row extends { readonly id: string }>(
  ids: readonly string[],
  rows: readonly Row[],
): (Row | undefined)[] {
  const left = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = left.get(id);
    left.delete(id);
    return row;
  });
}

/*
 * Both begin with `limit`, whose number the planner does not know and takes for small: a list of unknown length it would take
 * for long enough to read a whole table that has few rows while the statement is planned, and millions later.
 */

const INSERT_ALL = new Statement<
  NewFileColumns & { readonly unlessLive: readonly (string | null)[]; readonly count: number },
  NewRowTimes & { id: string }
>(
  (all) => sql`
    with asked as (
      select f.*, (${all.unlessLive}::text[])[f.place] as unless_live from ${newFiles(all)} limit ${all.count}),
    owner as (${holdThoseFree(sql`select distinct user_id from asked`)}),
    -- What does not fit takes the room from those behind it; they are tried again, each by himself.
    summed as (select *, sum(file_size) over (partition by user_id order by place) as wanted from asked),
    file as (
      ${insertFrom(sql`summed f join owner using (user_id)`)}
      where f.wanted <= owner.available
        and (f.unless_live is null
          or (select true from media_files where ${liveWith(sql`f.user_id`, sql`f.unless_live`)} limit 1) is null)
      on conflict (user_id, direct_hash) where ${DIRECT} do nothing
      returning *),
    ledger as (${reserveHeld()})
    select id, ${NEW_ROW_TIMES} from file`,
);

const CONFIRM_ALL = new Statement<
  {
    readonly ids: readonly string[];
    readonly userIds: readonly string[];
    readonly contentHashes: readonly (string | null)[];
    readonly driveAfterSeconds: readonly number[];
    readonly count: number;
  },
  MediaFileRow
>(
  (all) => sql`
    with asked as (
      select * from unnest(${all.ids}::uuid[], ${all.userIds}::uuid[], ${all.contentHashes}::text[],
        ${all.driveAfterSeconds}::float8[]) as asked (media_file_id, user_id, measured_hash, drive_after_seconds)
      limit ${all.count}),
    owner as (${holdThoseFree(sql`select distinct user_id from asked`)}),
    file as (
      update media_files
      set status = 'processing', reservation_open = false, content_hash = asked.measured_hash,
        drive_after = now() + ${seconds(sql`asked.drive_after_seconds`)}
      from asked join owner using (user_id)
      where id = asked.media_file_id and (media_files.user_id = owner.user_id and ${OPEN}) is true
      returning media_files.*),
    ledger as (${settle(FILES_BY_OWNER)})
    select ${COLUMNS} from file`,
);
