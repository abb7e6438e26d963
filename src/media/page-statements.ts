import { type RawBuilder, sql } from 'kysely';
import { type Query, Statement, type Value } from '../database/statement.js';
import type { CursorPosition } from './cursor.js';
import type { MediaStatus } from './media-file.entity.js';
import { COLUMNS, type MediaFileRow } from './media-file.row.js';
import type { MediaType } from './media-types.js';

export interface PageRequest {
  readonly userId: string;
  readonly mediaType: MediaType | undefined;
  readonly status: MediaStatus | undefined;
  readonly after: CursorPosition | null;
  readonly limit: number;
}

interface Args extends Omit<PageRequest, 'after' | 'limit'> {
  readonly afterMicros: string | undefined;
  readonly afterId: string | undefined;
  readonly rows: number;
}

/** What a request may leave out; what is there decides the text, and the plan. */
interface Conditions {
  readonly mediaType: boolean;
  readonly status: boolean;
  readonly after: boolean;
}

/** By their conditions, as they are first asked for: there are eight. */
const statements = new Map<string, Statement<Args, MediaFileRow>>();

/** Newest first; one row more than the page holds, so that the caller knows whether there is another. */
export function pageQuery({ userId, mediaType, status, after, limit }: PageRequest): Query<MediaFileRow> {
  return statementFor({
    mediaType: mediaType !== undefined,
    status: status !== undefined,
    after: after !== null,
  }).with({
    userId,
    mediaType,
    status,
    afterMicros: after?.createdAtMicros.toString(),
    afterId: after?.id,
    rows: limit + 1,
  });
}

function statementFor(conditions: Conditions): Statement<Args, MediaFileRow> {
  const name = `${conditions.mediaType} ${conditions.status} ${conditions.after}`;
  let statement = statements.get(name);
  if (statement === undefined) {
    statement = pageStatement(conditions);
    statements.set(name, statement);
  }
  return statement;
}

function pageStatement(conditions: Conditions): Statement<Args, MediaFileRow> {
  return new Statement(
    ({ userId, mediaType, status, afterMicros, afterId, rows }) => sql`
      select ${COLUMNS} from media_files
      where user_id = ${userId} and deleted_at is null
        and ${conditions.status ? sql`status = ${status}` : sql`status <> 'failed'`}
        ${conditions.mediaType ? sql`and media_type = ${mediaType}` : sql``}
        ${conditions.after ? sql`and (media_files.created_at, id) < (${instant(afterMicros)}, ${afterId}::uuid)` : sql``}
      order by media_files.created_at desc, id desc
      limit ${rows}`,
  );
}

/** Exact to the microsecond: a float of seconds would not be. */
function instant(micros: Value<string | undefined>): RawBuilder<unknown> {
  return sql`(timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond')`;
}
