import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

async function request(client: ApiClient, count: number): Promise<string[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      client.requestUpload({ fileName: `${index}.png`, mimeType: 'image/png', fileSize: 1 }),
    ),
  );
  return answers.map(({ body }) => body.mediaFileId);
}

async function walk(
  client: ApiClient,
  limit: number,
  betweenPages: () => Promise<unknown> = async () => {},
): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: Record<string, string> = { limit: String(limit), ...(cursor === null ? {} : { cursor }) };
    const { body } = await client.list(query);
    expect(body.hasMore).toBe(body.nextCursor !== null);
    seen.push(...body.items.map((item) => item.id));
    cursor = body.nextCursor;
    await betweenPages();
  } while (cursor !== null);
  return seen;
}

describe('paging through the list', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp();
  });
  afterAll(async () => mediadock.close());

  it('neither skips nor repeats over ties of the very same microsecond, nor while new files arrive', async () => {
    const alice = mediadock.as('alice');
    const ids = await request(alice, 45);
    // Three moments for all: whole pages have the same time, and differ from the next by a single microsecond.
    await mediadock.database.query(`
      update media_files set created_at = timestamptz '2026-03-01 12:00:00.123456+00' + (abs(hashtext(id::text)) % 3) * interval '1 microsecond'`);
    const seen = await walk(alice, 7, () => request(alice, 2));
    expect(seen).toHaveLength(45);
    expect(new Set(seen)).toEqual(new Set(ids));
    const rows = await mediadock.database.query<{ id: string }>(
      'select id from media_files where id = any($1) order by created_at desc, id desc',
      [ids],
    );
    expect(seen).toEqual(rows.map(({ id }) => id));
  });

  it('shows nothing of other users, deleted files, or failed ones that nobody asked for', async () => {
    const bob = mediadock.as('bob');
    const [kept, deleted, failed] = await request(bob, 3);
    await bob.delete(String(deleted));
    await mediadock.database.query(
      "update media_files set status = 'failed', processing_error = 'truncated', reservation_open = false where id = $1",
      [failed],
    );
    expect(await walk(bob, 10)).toEqual([kept]);
    expect((await bob.list({ status: 'failed' })).body.items).toMatchObject([
      { id: failed, processingError: 'truncated', publicUrl: null },
    ]);
    expect((await bob.list({ status: 'pending' })).body.items.map(({ id }) => id)).toEqual([kept]);
    expect((await bob.list({ status: 'ready' })).body.items).toEqual([]);
    expect((await bob.list({ mediaType: 'image' })).body.items.map(({ id }) => id)).toEqual([kept]);
    expect((await bob.list({ mediaType: 'video' })).body.items).toEqual([]);
  });

  it('answers an empty page to a user who has nothing', async () => {
    expect((await mediadock.as('nobody yet').list()).body).toEqual({
      items: [],
      hasMore: false,
      nextCursor: null,
    });
  });

  it('refuses a cursor that it has not given out', async () => {
    const { status, body } = await mediadock.as('alice').list<ProblemBody>({ cursor: 'bm90IGEgY3Vyc29y' });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'validation_failed', errors: [{ field: 'cursor' }] });
  });

  it('has no next page when the last one is exactly full', async () => {
    const carol = mediadock.as('carol');
    await request(carol, 4);
    expect((await carol.list({ limit: '4' })).body).toMatchObject({ hasMore: false, nextCursor: null });
    expect((await carol.list({ limit: '3' })).body).toMatchObject({ hasMore: true });
  });
});
