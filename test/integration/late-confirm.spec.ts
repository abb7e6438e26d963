import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** A confirm is in time when it was before its window closed, however long it then has to wait for its turn. */
describe('a confirm that is under way when the window closes', () => {
  let mediadock: TestApp;
  let other: Client;
  let files: MediaFilesRepository;
  let lifecycle: MediaLifecycleRepository;
  let bytes: Buffer;

  beforeAll(async () => {
    // The application's own sweeps are far apart: what happens here, the test has asked for.
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    files = mediadock.app.get(MediaFilesRepository, { strict: false });
    lifecycle = mediadock.app.get(MediaLifecycleRepository, { strict: false });
    bytes = await photo(200, 150);
  });
  afterAll(async () => mediadock.close());
  beforeEach(async () => {
    other = new Client({ connectionString: mediadock.database.url });
    await other.connect();
  });
  afterEach(async () => other.end());

  const sweep = () => mediadock.app.get(Sweeper, { strict: false }).sweep();
  const endWindow = (id: string, inSeconds: number) =>
    mediadock.database.query(
      'update media_files set upload_expires_at = now() + make_interval(secs => $2) where id = $1',
      [id, inSeconds],
    );
  const originals = async (id: string) =>
    (await mediadock.stack.objects()).filter((path) => path.startsWith('media/') && path.includes(id));

  async function isOver(id: string): Promise<true | null> {
    const rows = await mediadock.database.query(
      'select 1 from media_files where id = $1 and upload_expires_at <= now()',
      [id],
    );
    return rows.length > 0 ? true : null;
  }

  it('keeps its bytes from a sweeper that had the upload in hand', async () => {
    const alice = mediadock.as('alice');
    const { mediaFileId: id } = await alice.uploadUnconfirmed(bytes, 'image/jpeg');
    await other.query('begin');
    await other.query(
      'select 1 from storage_quotas where user_id = (select user_id from media_files where id = $1) for update',
      [id],
    );
    await endWindow(id, 3);
    const confirming = alice.confirm(id);
    await until(
      async () => ((await mediadock.database.lockWaits()) > 0 ? true : null),
      'the confirm to wait for the ledger',
    );
    await until(() => isOver(id), 'the window to close');
    const find = lifecycle.findExpired.bind(lifecycle);
    vi.spyOn(lifecycle, 'findExpired').mockImplementationOnce(async (limit) => {
      const found = await find(limit);
      await other.query('rollback');
      expect((await confirming).body).toMatchObject({ status: 'processing' });
      return found;
    });

    await sweep();
    expect((await alice.settled(id)).status).toBe('ready');
    expect(await originals(id)).toHaveLength(3);
    expect(await alice.quota()).toMatchObject({ usedBytes: bytes.length, reservedBytes: 0 });
  });

  it('keeps its bytes from a second confirm that came too late', async () => {
    const bob = mediadock.as('bob');
    const { mediaFileId: id } = await bob.uploadUnconfirmed(bytes, 'image/jpeg');
    vi.spyOn(files, 'confirm').mockImplementationOnce(async () => {
      await endWindow(id, -1);
      return null;
    });
    expect((await bob.confirm(id)).status).toBe(410);
    expect(await originals(id)).toHaveLength(1);

    // Nobody else was there after all: the sweeper takes them.
    await sweep();
    expect(await mediadock.stack.objects()).not.toContainEqual(expect.stringContaining(id));
    expect(await bob.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
  });

  it('keeps its bytes from the twin of a direct upload that came too late', async () => {
    const carol = mediadock.as('carol');
    const confirm = files.confirm.bind(files);
    const markExpired = lifecycle.markExpired.bind(lifecycle);
    vi.spyOn(files, 'confirm').mockImplementationOnce(async (file, hash, driveAfterSeconds) => {
      await endWindow(file.id, -1);
      vi.spyOn(lifecycle, 'markExpired').mockImplementationOnce(async (id) => {
        await endWindow(id, 60);
        expect(await confirm(file, hash, driveAfterSeconds)).toMatchObject({ status: 'processing' });
        return markExpired(id);
      });
      return null;
    });
    const { status, body } = await carol.uploadDirect(bytes, 'image/jpeg');
    expect([status, body.status]).toEqual([200, 'processing']);
    expect(await originals(body.id)).toHaveLength(1);
  });
});
