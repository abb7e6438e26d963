import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MediaFile } from '../../src/media/media-file.entity.js';
import type { NewMediaFile } from '../../src/media/media-file.row.js';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { SharedChangesRepository } from '../../src/media/shared-changes.repository.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { UsersService } from '../../src/users/users.service.js';
import { newFile } from '../support/repositories-on.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { WorkCounter } from '../support/work-counter.js';

const QUOTA = 10_000;
const HASH = 'a'.repeat(64);

const file = (userId: string, change: Partial<NewMediaFile> = {}): NewMediaFile => ({
  ...newFile(userId),
  ...change,
});

describe('changes that many requests make at once', () => {
  let mediadock: TestApp;
  let shared: SharedChangesRepository;
  let files: MediaFilesRepository;
  let alice: string;
  let bob: string;
  let names = 0;

  beforeAll(async () => {
    mediadock = await startTestApp({ QUOTA_BYTES: String(QUOTA), SWEEP_INTERVAL_SECONDS: '3600' });
    shared = mediadock.app.get(SharedChangesRepository, { strict: false });
    files = mediadock.app.get(MediaFilesRepository, { strict: false });
  });
  afterAll(async () => {
    await mediadock.close();
  });

  beforeEach(async () => {
    [alice, bob] = [await newUser(), await newUser()];
  });

  async function newUser(): Promise<string> {
    const name = `user-${names++}`;
    await mediadock.as(name).quota();
    return (await mediadock.app.get(UsersService, { strict: false }).resolve(name)) ?? '';
  }

  /** The first one goes alone, and all others together behind it. */
  async function together<Result>(work: readonly (() => Promise<Result>)[]): Promise<Result[]> {
    const first = shared.insert(file(await newUser()));
    const results = await Promise.all(work.map((change) => change()));
    await first;
    return results;
  }

  async function ledgerOf(userId: string): Promise<{ used: number; reserved: number }> {
    const [row] = await mediadock.database.query<{ used_bytes: string; reserved_bytes: string }>(
      'select used_bytes, reserved_bytes from storage_quotas where user_id = $1',
      [userId],
    );
    return { used: Number(row?.used_bytes), reserved: Number(row?.reserved_bytes) };
  }

  const drift = () => mediadock.app.get(QuotaReconciler, { strict: false }).findDrift();

  it('are one statement for all of them, or a few where the machine is slow', async () => {
    const users = await Promise.all(Array.from({ length: 30 }, newUser));
    const work = await new WorkCounter(mediadock).of(() =>
      together(users.map((user) => () => files.insertReserving(file(user)))),
    );
    // Some of them are the user who goes first: his look-up is remembered, his ledger is read. And a statement that takes a
    // quarter of a second lets the next one go beside it.
    expect(work.statements).toBeLessThanOrEqual(10);
    expect(await drift()).toEqual([]);
  });

  it('insert each file as it was asked for', async () => {
    const asked = [
      file(alice, { originalFileName: 'summer "at", {the} \\ sea.jpg', directHash: HASH }),
      file(bob, { mimeType: 'video/mp4', mediaType: 'video', fileSize: 77, ttlSeconds: 60 }),
    ];
    const inserted = await together(asked.map((one) => () => shared.insert(one)));
    const found = await Promise.all(asked.map(({ id }) => files.find(id)));
    expect(found).toEqual(inserted);
    expect(inserted).toMatchObject(
      asked.map(({ ttlSeconds: _none, ...columns }) => ({ ...columns, status: 'pending' })),
    );
    const windows = inserted.map((one) => secondsBetween(one?.createdAt, one?.uploadExpiresAt));
    expect(windows).toEqual([900, 60]);
    expect([await ledgerOf(alice), await ledgerOf(bob)]).toEqual([
      { used: 0, reserved: 1000 },
      { used: 0, reserved: 77 },
    ]);
  });

  it('give one user no more than fits, however many he asks for at once, and others theirs', async () => {
    const sizes = [4000, 4000, 4000, 1000];
    const [first, second, third, fourth, others] = await together([
      ...sizes.map((fileSize) => () => shared.insert(file(alice, { fileSize }))),
      () => shared.insert(file(bob, { fileSize: QUOTA })),
    ]);
    expect([first, second, others].every((one) => one?.status === 'pending')).toBe(true);
    // What comes behind one that does not fit is left to a closer look, also when it would fit.
    expect([third, fourth]).toEqual([null, null]);
    expect([await ledgerOf(alice), await ledgerOf(bob)]).toMatchObject([
      { reserved: 8000 },
      { reserved: QUOTA },
    ]);
  });

  it('find out by a closer look what fits after all', async () => {
    const sizes = [4000, 4000, 4000, 1000];
    const results = await together(
      sizes.map((fileSize) => () => files.insertReserving(file(alice, { fileSize })).catch((error) => error)),
    );
    expect(results.map((one) => one.code ?? one.status)).toEqual([
      'pending',
      'pending',
      'quota_exceeded',
      'pending',
    ]);
    expect(await ledgerOf(alice)).toEqual({ used: 0, reserved: 9000 });
  });

  it('open the ledger of a user who has none, and let the others go ahead', async () => {
    const users = mediadock.app.get(UsersService, { strict: false });
    const { id: newcomer } = await users.add(`newcomer-${names++}`);
    const [one, other] = await together([
      () => files.insertReserving(file(newcomer)),
      () => files.insertReserving(file(alice)),
    ]);
    expect([one?.status, other?.status]).toEqual(['pending', 'pending']);
    expect(await ledgerOf(newcomer)).toEqual({ used: 0, reserved: 1000 });
  });

  it('do not wait for a user whose ledger somebody else has taken', async () => {
    const other = new Client({ connectionString: mediadock.database.url });
    await other.connect();
    try {
      await other.query('begin');
      await other.query('select 1 from storage_quotas where user_id = $1 for update', [alice]);
      const [taken, free] = await together([
        () => shared.insert(file(alice)),
        () => shared.insert(file(bob)),
      ]);
      expect([taken, free?.status]).toEqual([null, 'pending']);
      const waiting = files.insertReserving(file(alice));
      expect((await files.insertReserving(file(bob))).status).toBe('pending');
      await other.query('rollback');
      expect((await waiting).status).toBe('pending');
    } finally {
      await other.end();
    }
  });

  it('let one of two direct uploads of the same bytes win, and reserve for that one only', async () => {
    const twins = await together(
      [1, 2].map(() => () => shared.insert(file(alice, { directHash: HASH }), HASH)),
    );
    expect(twins.map((twin) => twin?.status)).toEqual(['pending', undefined]);
    const hers = await together([() => shared.insert(file(bob, { directHash: HASH }), HASH)]);
    expect(hers[0]?.status).toBe('pending');
    expect([await ledgerOf(alice), await ledgerOf(bob)]).toMatchObject([
      { reserved: 1000 },
      { reserved: 1000 },
    ]);
  });

  it('insert no bytes that the user has verified already', async () => {
    await confirmed(alice, HASH);
    const [again, otherBytes, hers] = await together([
      () => shared.insert(file(alice), HASH),
      () => shared.insert(file(alice), 'b'.repeat(64)),
      () => shared.insert(file(bob), HASH),
    ]);
    expect([again, otherBytes?.status, hers?.status]).toEqual([null, 'pending', 'pending']);
  });

  it('fail only for him whose value is at fault', async () => {
    const results = await together([
      () => files.insertReserving(file(alice, { fileSize: 0 })).catch((error) => error),
      () => files.insertReserving(file(bob)),
    ]);
    expect(results[0]).toMatchObject({ code: '23514', constraint: 'media_files_file_size_check' });
    expect(results[1]).toMatchObject({ status: 'pending', userId: bob });
    expect([await ledgerOf(alice), await ledgerOf(bob)]).toMatchObject([{ reserved: 0 }, { reserved: 1000 }]);
  });

  it('confirm several files of several users, each with its own hash', async () => {
    const asked = await Promise.all([alice, alice, bob].map((user) => files.insertReserving(file(user))));
    const results = await together(
      asked.map(
        ({ id, userId }, index) =>
          () =>
            shared.confirm({ id, userId, contentHash: hashOf(index), driveAfterSeconds: 30 }),
      ),
    );
    expect(results).toMatchObject(
      asked.map(({ id }, index) => ({ id, status: 'processing', contentHash: hashOf(index) })),
    );
    expect([await ledgerOf(alice), await ledgerOf(bob)]).toEqual([
      { used: 2000, reserved: 0 },
      { used: 1000, reserved: 0 },
    ]);
  });

  it('confirm a file once, also when it is asked for twice at once', async () => {
    const { id, userId } = await files.insertReserving(file(alice));
    const twice = await together([1, 2].map(() => () => files.confirm({ id, userId }, null, 30)));
    expect(twice.map((one) => one?.status)).toEqual(['processing', undefined]);
    expect(await ledgerOf(alice)).toEqual({ used: 1000, reserved: 0 });
  });

  it('confirm nothing that is deleted, late, or not there', async () => {
    const [deleted, late, good] = await Promise.all([1, 2, 3].map(() => files.insertReserving(file(alice))));
    await files.delete(deleted?.id ?? '', alice, 30);
    await mediadock.database.query('update media_files set upload_expires_at = now() where id = $1', [
      late?.id,
    ]);
    const results = await together(
      [deleted, late, good, file(alice)].map(
        (one) => () => files.confirm({ id: one?.id ?? '', userId: alice }, null, 30),
      ),
    );
    expect(results.map((one) => one?.status)).toEqual([undefined, undefined, 'processing', undefined]);
    expect(await ledgerOf(alice)).toEqual({ used: 1000, reserved: 2000 });
    expect(await drift()).toEqual([]);
  });

  it.each([
    ['are as good as empty', async () => {}],
    // As autovacuum does at any moment; reading all of them is then the cheapest way, and the plan would be kept.
    ['have been analyzed while they were small', () => mediadock.database.query('analyze')],
  ])('are planned for single rows when the tables %s', async (_state, prepare) => {
    await prepare();
    const sent = vi.spyOn(Client.prototype, 'query');
    const inserted = await shared.insert(file(alice), HASH);
    await shared.confirm({ id: inserted?.id ?? '', userId: alice, contentHash: HASH, driveAfterSeconds: 30 });
    const { calls, contexts } = sent.mock;
    sent.mockRestore();
    const plans = await Promise.all(
      calls.map(([query]: unknown[], index) => genericPlanOf(textOf(query), contexts[index])),
    );
    expect(plans).toEqual([
      expect.stringContaining('Index Scan using media_hash_idx'),
      expect.stringContaining('Index Scan using media_files_pkey'),
    ]);
    expect(plans.join('\n')).not.toContain('Seq Scan');
  });

  async function confirmed(userId: string, contentHash: string): Promise<MediaFile | null> {
    return files.confirm(await files.insertReserving(file(userId)), contentHash, 30);
  }
});

/** How it is carried out on that connection once it is prepared, whatever its values are. */
async function genericPlanOf(text: string, connection: unknown): Promise<string> {
  if (!(connection instanceof Client)) {
    throw new TypeError('Only a client of PostgreSQL explains statements');
  }
  const lines = await connection.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
  return lines.rows.map((line) => line['QUERY PLAN']).join('\n');
}

function hashOf(index: number): string {
  return String(index).repeat(64);
}

function secondsBetween(earlier: Date | undefined, later: Date | undefined): number {
  return Math.round(((later?.getTime() ?? 0) - (earlier?.getTime() ?? 0)) / 1000);
}

function textOf(query: unknown): string {
  return typeof query === 'object' && query !== null && 'text' in query ? String(query.text) : '';
}
