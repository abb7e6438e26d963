import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** A user's profile id and one file of theirs. */
interface Subject {
  readonly id: string;
  readonly userId: string;
}

describe('a change of a file that moves the ledger', () => {
  let mediadock: TestApp;
  let other: Client;
  let files: MediaFilesRepository;
  let lifecycle: MediaLifecycleRepository;

  beforeAll(async () => {
    mediadock = await startTestApp();
    files = mediadock.app.get(MediaFilesRepository, { strict: false });
    lifecycle = mediadock.app.get(MediaLifecycleRepository, { strict: false });
  });
  afterAll(async () => mediadock.close());
  beforeEach(async () => {
    other = new Client({ connectionString: mediadock.database.url });
    await other.connect();
  });
  afterEach(async () => other.end());

  async function pending(name = 'alice'): Promise<Subject> {
    const { body } = await mediadock
      .as(name)
      .requestUpload({ fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 });
    const file = await files.find(body.mediaFileId);
    return { id: body.mediaFileId, userId: file?.userId ?? '' };
  }

  async function processing(): Promise<Subject> {
    const subject = await pending();
    await files.confirm(subject, null, 30);
    return subject;
  }

  async function expired(): Promise<Subject> {
    const subject = await pending();
    await mediadock.database.query(
      `update media_files set upload_expires_at = now() - interval '1 second' where id = $1`,
      [subject.id],
    );
    await lifecycle.markExpired(subject.id);
    return subject;
  }

  const changes: readonly [string, () => Promise<Subject>, (subject: Subject) => Promise<unknown>][] = [
    ['confirm', pending, (subject) => files.confirm(subject, null, 30)],
    ['delete', processing, ({ id, userId }) => files.delete(id, userId, 30)],
    ['fail', processing, ({ id }) => lifecycle.markFailed(id, 'truncated', 30)],
    ['release', expired, ({ id }) => lifecycle.releaseExpired(id)],
  ];

  // An insert holds the ledger and may have to wait for a twin's row: whoever held that row and wanted the ledger
  // would wait for it in a circle, until PostgreSQL shot one of the two.
  it.each(changes)(
    'takes the ledger first, and the file only then (%s)',
    async (_change, prepare, change) => {
      const subject = await prepare();
      await other.query('begin');
      await other.query('select 1 from storage_quotas where user_id = $1 for update', [subject.userId]);
      const changing = change(subject);
      await until(
        async () => ((await mediadock.database.lockWaits()) > 0 ? true : null),
        'the change to wait for the ledger',
      );
      await expect(
        other.query('select 1 from media_files where id = $1 for update nowait', [subject.id]),
      ).resolves.toMatchObject({ rowCount: 1 });
      await other.query('rollback');
      expect(await changing).toBeTruthy();
    },
  );

  it('frees in a deletion what a confirm has settled while the deletion waited for it', async () => {
    // Nothing is used yet: what is freed too early shows.
    const { id, userId } = await pending('carol');
    await other.query('begin');
    await other.query('select 1 from storage_quotas where user_id = $1 for update', [userId]);
    const confirming = files.confirm({ id, userId }, null, 30);
    await until(
      async () => ((await mediadock.database.lockWaits()) === 1 ? true : null),
      'the confirm to wait',
    );
    // Its snapshot is one of before the confirm, and its turn comes after it.
    const deleting = files.delete(id, userId, 30);
    await until(
      async () => ((await mediadock.database.lockWaits()) === 2 ? true : null),
      'the deletion to wait behind it',
    );
    await other.query('rollback');

    expect(await confirming).toMatchObject({ status: 'processing' });
    expect(await deleting).toMatchObject({ status: 'processing', isLive: false });
    expect(await ledgerOf(userId)).toEqual([{ used_bytes: '0', reserved_bytes: '0' }]);
  });

  it('never meets a deadlock while twins of a direct upload come, settle and go', async () => {
    const bob = mediadock.as('bob');
    const bytes = await photo(64, 48);
    const upload = async (): Promise<number> => {
      const { status, body } = await bob.uploadDirect(bytes, 'image/jpeg');
      if (status < 300 && Math.random() < 0.3) {
        await bob.delete(body.id);
      }
      return status;
    };
    for (let round = 0; round < 10; round++) {
      const statuses = await Promise.all(Array.from({ length: 20 }, upload));
      expect(statuses.filter((status) => status !== 200 && status !== 201)).toEqual([]);
    }
    const [row] = await mediadock.database.query<{ deadlocks: string }>(
      'select deadlocks from pg_stat_database where datname = current_database()',
    );
    expect(row).toEqual({ deadlocks: '0' });
  });

  async function ledgerOf(userId: string): Promise<object[]> {
    return mediadock.database.query(
      'select used_bytes, reserved_bytes from storage_quotas where user_id = $1',
      [userId],
    );
  }
});
