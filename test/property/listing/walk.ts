import * as fc from 'fast-check';
import { MEDIA_STATUSES, type MediaStatus } from '../../../src/media/media-file.entity.js';
import type { MediaPageDto } from '../../../src/media/dto/media-file.dto.js';
import type { Answer, ApiClient } from '../../support/api-client.js';
import type { TestDatabase } from '../../support/test-database.js';
import {
  type Filter,
  filter,
  inListOrder,
  insertRows,
  type ListedRow,
  matches,
  row,
  updateRow,
} from './rows.js';

/** Something that happens to the list while somebody pages through it. Numbers of rows go round. */
type Event =
  | { readonly do: 'insert'; readonly row: ListedRow }
  | { readonly do: 'delete'; readonly row: number }
  | { readonly do: 'move'; readonly row: number; readonly status: MediaStatus };

/** How one page is asked for, what happens before that, and what while it is being answered. */
interface Turn {
  readonly limit: number;
  readonly before: readonly Event[];
  readonly meanwhile: Event | null;
}

export interface Walk {
  readonly rows: readonly ListedRow[];
  readonly filter: Filter;
  readonly turns: readonly Turn[];
}

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('insert'), row }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete'), row: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('move'),
      row: fc.nat(),
      status: fc.constantFrom(...MEDIA_STATUSES),
    }),
  },
);

const turn: fc.Arbitrary<Turn> = fc.record({
  limit: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(100)),
  before: fc.array(event, { maxLength: 3 }),
  meanwhile: fc.option(event, { freq: 2 }),
});

export const walk: fc.Arbitrary<Walk> = fc.record({
  rows: fc.uniqueArray(row, { maxLength: 40, selector: ({ id }) => id }),
  filter,
  turns: fc.array(turn, { maxLength: 12 }),
});

const LAST_TURNS: Turn = { limit: 7, before: [], meanwhile: null };

/** The rows of a user, in the model and in the table. */
class Rows {
  private readonly rows = new Map<string, ListedRow>();
  /** Every row that did not match at some moment, or was not there. */
  readonly interrupted = new Set<string>();

  constructor(
    private readonly database: TestDatabase,
    private readonly userId: string,
    private readonly wanted: Filter,
  ) {}

  async start(rows: readonly ListedRow[]): Promise<void> {
    await insertRows(this.database, this.userId, rows);
    for (const each of rows) {
      this.set(each);
    }
  }

  /** Those that match and come after that row, in their order. */
  after(last: ListedRow | null): ListedRow[] {
    return [...this.rows.values()]
      .filter((each) => matches(each, this.wanted) && (last === null || inListOrder(last, each) < 0))
      .toSorted(inListOrder);
  }

  uninterrupted(): string[] {
    return this.after(null)
      .map(({ id }) => id)
      .filter((id) => !this.interrupted.has(id));
  }

  async happen(what: Event): Promise<void> {
    if (what.do === 'insert') {
      if (!this.rows.has(what.row.id)) {
        this.interrupted.add(what.row.id);
        this.set(what.row);
        await insertRows(this.database, this.userId, [what.row]);
      }
      return;
    }
    const old = [...this.rows.values()][what.row % Math.max(1, this.rows.size)];
    if (old !== undefined) {
      const changed = what.do === 'delete' ? { ...old, deleted: true } : { ...old, status: what.status };
      this.set(changed);
      await updateRow(this.database, changed);
    }
  }

  private set(changed: ListedRow): void {
    this.rows.set(changed.id, changed);
    if (!matches(changed, this.wanted)) {
      this.interrupted.add(changed.id);
    }
  }
}

/** @returns what was wrong with a page, or with all of them together; null: nothing */
export async function complaintAbout(
  { rows, filter: wanted, turns }: Walk,
  client: ApiClient,
  database: TestDatabase,
  userId: string,
): Promise<string | null> {
  const model = new Rows(database, userId, wanted);
  await model.start(rows);
  const seen: string[] = [];
  let last: ListedRow | null = null;
  let cursor: string | null = null;
  for (let page = 0; page === 0 || cursor !== null; page++) {
    const { limit, before, meanwhile } = turns[page] ?? LAST_TURNS;
    for (const each of before) {
      await model.happen(each);
    }
    const earlier = model.after(last);
    const asked: Promise<Answer<MediaPageDto>> = client.list(queryFor(limit, wanted, cursor));
    await Promise.all([asked, meanwhile && model.happen(meanwhile)]);
    const { body }: Answer<MediaPageDto> = await asked;
    const found: readonly ListedRow[] | undefined = [earlier, model.after(last)].find((all) =>
      isPage(body, all, limit),
    );
    if (found === undefined) {
      return `Page ${page + 1} of at most ${limit} is ${JSON.stringify(body)}, and not the start of ${JSON.stringify(earlier.map(({ id }) => id))}`;
    }
    seen.push(...body.items.map(({ id }) => id));
    last = found[body.items.length - 1] ?? last;
    cursor = body.nextCursor;
  }
  const missed = model.uninterrupted().filter((id) => !seen.includes(id));
  return missed.length > 0 || new Set(seen).size < seen.length
    ? `Skipped ${missed.join(', ') || 'none'}, and showed ${seen.join(', ')}`
    : null;
}

function isPage(
  { items, hasMore, nextCursor }: MediaPageDto,
  all: readonly ListedRow[],
  limit: number,
): boolean {
  const page = all.slice(0, limit);
  return (
    page.length === items.length &&
    page.every(({ id }, index) => id === items[index]?.id) &&
    hasMore === all.length > limit &&
    hasMore === (nextCursor !== null)
  );
}

function queryFor(
  limit: number,
  { mediaType, status }: Filter,
  cursor: string | null,
): Record<string, string> {
  return {
    limit: String(limit),
    ...(mediaType === null ? {} : { mediaType }),
    ...(status === null ? {} : { status }),
    ...(cursor === null ? {} : { cursor }),
  };
}
