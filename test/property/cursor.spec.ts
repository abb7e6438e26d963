import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import type { MediaPageDto } from '../../src/media/dto/media-file.dto.js';
import { encodeCursor } from '../../src/media/cursor.js';
import type { ApiClient } from '../support/api-client.js';
import { inListOrder, insertRows, type ListedRow, matches, row } from './listing/rows.js';
import { complaintAbout, walk } from './listing/walk.js';
import { PropertyRuns } from './property-runs.js';
import { Stage } from './stage.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const EVERYTHING = { mediaType: null, status: null };
const PLACE = { mediaType: 'image', status: 'ready', deleted: false } as const;
/** Up to here, the year 2255, a microsecond is one in every part that counts them. */
const EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/** What a list has given out, or could have: worked out here once more, from the description of the format. */
function isWellFormed(cursor: string): boolean {
  const bytes = Buffer.from(cursor, 'base64url');
  const payload = bytes.subarray(0, 25);
  const sum = createHash('sha256').update('mediadock-cursor').update(payload).digest().subarray(0, 5);
  const id = payload.toString('hex', 9).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return (
    bytes.toString('base64url') === cursor &&
    bytes.length === 30 &&
    payload[0] === 1 &&
    sum.equals(bytes.subarray(25)) &&
    UUID.test(id)
  );
}

/** A change to a text: another character in a place, one more, some less, or some that were there before. */
const change = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('replace', 'insert', 'cut', 'keep', 'repeat', 'flip'),
  text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }),
});

function changed(cursor: string, { at, kind, text }: { at: number; kind: string; text: string }): string {
  const place = at % cursor.length;
  const [start, end] = [cursor.slice(0, place), cursor.slice(place)];
  switch (kind) {
    case 'replace':
      return start + text + end.slice(text.length);
    case 'insert':
      return start + text + end;
    case 'cut':
      return start + end.slice(1);
    case 'keep':
      return start;
    case 'repeat':
      return cursor + end;
    default: {
      const bytes = Buffer.from(cursor, 'base64url');
      const byte = place % bytes.length;
      bytes[byte] = (bytes[byte] ?? 0) ^ (1 << (at % 8));
      return bytes.toString('base64url');
    }
  }
}

describe('the cursor of a list', () => {
  let stage: Stage;
  let alice: { client: ApiClient; userId: string };

  beforeAll(async () => {
    stage = await Stage.open();
    const { subject, userId } = await stage.newUser();
    alice = { client: stage.mediadock.as(subject), userId };
  });
  afterAll(async () => stage.close());

  const ask = async (cursor: string) =>
    alice.client.list<MediaPageDto & ProblemBody>({ cursor, limit: '100' });

  const walks = new PropertyRuns('pages', { count: 60, secondsPerRun: 5 });
  it(
    'neither skips nor repeats a row that is there all the time, whatever happens to others between the pages and during them',
    { timeout: walks.timeout },
    async () => {
      await walks.hold(
        fc.asyncProperty(walk, async (steps) => {
          const { subject, userId } = await stage.newUser();
          const { database } = stage.mediadock;
          expect(await complaintAbout(steps, stage.mediadock.as(subject), database, userId)).toBeNull();
          await database.query('delete from media_files where user_id = $1', [userId]);
        }),
      );
    },
  );

  const texts = new PropertyRuns('texts that are no cursors', { count: 150, secondsPerRun: 1 });
  it('is refused when the list has not given it out', { timeout: texts.timeout }, async () => {
    const position = fc.record({
      createdAtMicros: fc.bigInt({ min: 0n, max: 2n ** 52n }),
      id: fc.uuid({ version: 7 }),
    });
    const tampered = fc
      .tuple(position, fc.array(change, { minLength: 1, maxLength: 3 }))
      .map(([place, changes]) => changes.reduce(changed, encodeCursor(place)));
    const any = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: fc.constantFrom(...'ABCabc019-_'.split('')), minLength: 40, maxLength: 40 }),
      fc.base64String({ maxLength: 60 }),
      { weight: 4, arbitrary: tampered },
    );
    await texts.hold(
      fc.asyncProperty(any, async (cursor) => {
        const { status, body } = await ask(cursor);
        expect([status, body.code, body.errors?.[0]?.field]).toEqual(
          isWellFormed(cursor) ? [200, undefined, undefined] : [400, 'validation_failed', 'cursor'],
        );
      }),
    );
  });

  const places = new PropertyRuns('cursors of any place', { count: 60, secondsPerRun: 1 });
  it('goes on behind its place, whether a row was there or not', { timeout: places.timeout }, async () => {
    const { subject, userId } = await stage.newUser();
    const client = stage.mediadock.as(subject);
    const rows: ListedRow[] = fc.sample(row, { numRuns: 60, seed: 1 });
    await insertRows(stage.mediadock.database, userId, rows);
    const shown = rows.filter((each) => matches(each, EVERYTHING)).toSorted(inListOrder);
    const createdAt = fc.oneof(
      fc.constantFrom(...rows.map((each) => each.createdAt)),
      fc.bigInt({ min: -EXACT, max: EXACT }),
    );
    const id = fc.oneof(fc.uuid({ version: 7 }), fc.constantFrom(...rows.map((each) => each.id)));
    await places.hold(
      fc.asyncProperty(createdAt, id, async (createdAtMicros, placeId) => {
        const cursor = encodeCursor({ createdAtMicros, id: placeId });
        const { body } = await client.list({ cursor, limit: '100' });
        const place: ListedRow = { ...PLACE, id: placeId, createdAt: createdAtMicros };
        expect(body.items.map((item) => item.id)).toEqual(
          shown.filter((each) => inListOrder(place, each) < 0).map((each) => each.id),
        );
      }),
    );
  });

  const nowhere = new PropertyRuns('cursors of no place', { count: 60, secondsPerRun: 1 });
  it(
    'is refused when no row can be at its place, however well it is made',
    { timeout: nowhere.timeout },
    async () => {
      const createdAt = fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: -EXACT - 1n }),
        fc.bigInt({ min: EXACT + 1n, max: 2n ** 63n - 1n }),
      );
      await nowhere.hold(
        fc.asyncProperty(createdAt, fc.uuid({ version: 7 }), async (createdAtMicros, id) => {
          const { status, body } = await ask(encodeCursor({ createdAtMicros, id }));
          expect([status, body.code]).toEqual([400, 'validation_failed']);
        }),
      );
    },
  );
});
