import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Metrics } from '../../src/common/metrics.js';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import { derivativeKey } from '../../src/storage/object-key.js';
import { ObjectStorage } from '../../src/storage/object-storage.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe(Sweeper.name, () => {
  let mediadock: TestApp;
  let sweeper: Sweeper;

  beforeAll(async () => {
    // The application's own sweeps are far apart: what happens here, the test has asked for.
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    sweeper = mediadock.app.get(Sweeper, { strict: false });
    const { sweeps } = mediadock.app.get(Metrics, { strict: false });
    await until(
      async () => ((await sweeps.get()).values.some(({ value }) => value > 0) ? true : null),
      'the first sweep of the application to end',
    );
  });
  afterAll(async () => mediadock.close());

  const sql = (text: string, ...values: unknown[]) =>
    mediadock.database.query<Record<string, unknown>>(text, values);
  const closeWindow = (id: string) =>
    sql("update media_files set upload_expires_at = now() - interval '1 second' where id = $1", id);
  const bytesOf = async (id: string) => (await mediadock.stack.objects()).filter((path) => path.includes(id));

  it('expires an upload that nobody confirmed: bytes gone first, then the reservation', async () => {
    const alice = mediadock.as('alice');
    const bytes = await photo(200, 150);
    const ticket = await alice.uploadUnconfirmed(bytes, 'image/jpeg');
    await sweeper.sweep();
    expect(await alice.quota()).toMatchObject({ reservedBytes: bytes.length });

    await closeWindow(ticket.mediaFileId);
    const late = await alice.confirm<ProblemBody>(ticket.mediaFileId);
    expect([late.status, late.body.code]).toEqual([410, 'upload_expired']);
    expect(await alice.quota()).toMatchObject({ reservedBytes: bytes.length });

    await sweeper.sweep();
    expect(await bytesOf(ticket.mediaFileId)).toEqual([]);
    expect(await alice.quota()).toMatchObject({ reservedBytes: 0, usedBytes: 0 });
    expect((await alice.get(ticket.mediaFileId)).body).toMatchObject({
      status: 'failed',
      processingError: 'upload_expired',
    });
    expect((await alice.confirm<ProblemBody>(ticket.mediaFileId)).body.code).toBe('upload_expired');
  });

  it('holds the reservation of a deleted upload until its URL is dead, for the URL cannot be called back', async () => {
    const bob = mediadock.as('bob');
    const ticket = await bob.uploadUnconfirmed(await photo(100, 80), 'image/jpeg');
    await bob.delete(ticket.mediaFileId);
    await until(
      async () => ((await bytesOf(ticket.mediaFileId)).length === 0 ? true : null),
      'the bytes to go',
    );
    // The URL still works: what comes now is swept with the reservation.
    expect((await bob.put(ticket, await photo(100, 80))).status).toBe(200);
    expect((await bob.quota()).reservedBytes).toBeGreaterThan(0);
    await closeWindow(ticket.mediaFileId);
    await sweeper.sweep();
    expect(await bytesOf(ticket.mediaFileId)).toEqual([]);
    expect(await bob.quota()).toMatchObject({ reservedBytes: 0, usedBytes: 0 });
  });

  it('releases a reservation once, however often and from however many places it sweeps', async () => {
    const carol = mediadock.as('carol');
    const kept = await carol.requestUpload({ fileName: 'kept.png', mimeType: 'image/png', fileSize: 1000 });
    const lapsed = await carol.requestUpload({
      fileName: 'lapsed.png',
      mimeType: 'image/png',
      fileSize: 500,
    });
    await closeWindow(lapsed.body.mediaFileId);
    await Promise.all([sweeper.sweep(), sweeper.sweep(), sweeper.sweep()]);
    expect(await carol.quota()).toMatchObject({ reservedBytes: 1000 });
    expect((await carol.get(kept.body.mediaFileId)).body.status).toBe('pending');
  });

  it('drives a file whose job was lost', async () => {
    const dave = mediadock.as('dave');
    const file = await dave.upload(await photo(300, 200), 'image/jpeg');
    await dave.settled(file.id);
    await sql(
      "update media_files set status = 'processing', drive_after = now() - interval '1 second' where id = $1",
      file.id,
    );
    await sweeper.sweep();
    expect((await dave.settled(file.id)).status).toBe('ready');
  });

  it('leaves a file alone whose time has not come, and comes back ever more slowly', async () => {
    const erin = mediadock.as('erin');
    const ticket = (await erin.requestUpload({ fileName: 'x.png', mimeType: 'image/png', fileSize: 10 }))
      .body;
    const id = ticket.mediaFileId;
    await sql(
      "update media_files set status = 'processing', reservation_open = false, drive_after = now() + interval '1 minute' where id = $1",
      id,
    );
    await sweeper.sweep();
    expect(await sql('select drive_count from media_files where id = $1', id)).toEqual([{ drive_count: 0 }]);
    const waits: number[] = [];
    for (let drive = 0; drive < 3; drive++) {
      await sql("update media_files set drive_after = now() - interval '1 second' where id = $1", id);
      await sweeper.sweep();
      const [row] = await sql(
        'select extract(epoch from drive_after - now())::int as wait from media_files where id = $1',
        id,
      );
      waits.push(Number(row?.['wait']));
    }
    // With an interval of an hour the first wait is the longest that there is.
    expect(waits.every((wait) => wait > 3500 && wait <= 3600)).toBe(true);
    await sql(
      "update media_files set status = 'pending', reservation_open = true, drive_after = null where id = $1",
      id,
    );
  });

  it('does not put off more and more what the queue does not take', async () => {
    const mia = mediadock.as('mia');
    const file = await mia.upload(await photo(90, 60), 'image/jpeg');
    await mia.settled(file.id);
    const refusing = vi
      .spyOn(mediadock.app.get(JobQueue, { strict: false }), 'enqueue')
      .mockResolvedValue(false);
    for (let pass = 0; pass < 3; pass++) {
      await sql(
        "update media_files set status = 'processing', drive_after = now() - interval '1 second' where id = $1",
        file.id,
      );
      await sweeper.sweep();
      expect(
        await sql(
          "select drive_count, drive_after <= now() + interval '1 hour' as soon from media_files where id = $1",
          file.id,
        ),
      ).toEqual([{ drive_count: 0, soon: true }]);
    }
    expect(refusing).toHaveBeenCalled();
    refusing.mockRestore();
    await sql('update media_files set drive_after = now() where id = $1', file.id);
    await sweeper.sweep();
    expect((await mia.settled(file.id)).status).toBe('ready');
  });

  it('begins with everything after a stop, and a minute later with what it has begun with again and again', async () => {
    const nina = mediadock.as('nina');
    const ids = await Promise.all(
      [0, 2, 3].map(async (drives) => {
        const { body } = await nina.requestUpload({ fileName: 'x.png', mimeType: 'image/png', fileSize: 10 });
        await sql(
          "update media_files set status = 'processing', reservation_open = false, drive_after = now() + interval '1 hour', drive_count = $2 where id = $1",
          body.mediaFileId,
          drives,
        );
        return body.mediaFileId;
      }),
    );
    await mediadock.app.get(MediaLifecycleRepository, { strict: false }).makeAllDue();
    const rows = await sql(
      "select drive_after <= now() as due, drive_after <= now() + interval '1 minute' as soon, drive_count from media_files where id = any($1) order by drive_count",
      ids,
    );
    expect(rows).toEqual([
      { due: true, soon: true, drive_count: 0 },
      { due: true, soon: true, drive_count: 2 },
      { due: false, soon: true, drive_count: 3 },
    ]);
    await sql(
      "update media_files set status = 'pending', reservation_open = true, drive_after = null where id = any($1)",
      ids,
    );
  });

  it('carries out a deletion that no job has carried out', async () => {
    const frank = mediadock.as('frank');
    const file = await frank.upload(await photo(300, 200), 'image/jpeg');
    await frank.settled(file.id);
    await sql(
      "update media_files set deleted_at = now(), drive_after = now() - interval '1 second' where id = $1",
      file.id,
    );
    await sql('update storage_quotas set used_bytes = 0 where user_id = $1', file.userId);
    await sweeper.sweep();
    await until(async () => ((await bytesOf(file.id)).length === 0 ? true : null), 'the bytes to go');
    expect((await frank.get(file.id)).status).toBe(404);
  });

  it('removes the upload of a confirmed file once its window is long over, and nothing else', async () => {
    const grace = mediadock.as('grace');
    const file = await grace.upload(await photo(300, 200), 'image/jpeg');
    await grace.settled(file.id);
    expect(await bytesOf(file.id)).toHaveLength(4);
    await sql("update media_files set leftovers_due_at = now() - interval '1 second' where id = $1", file.id);
    await sweeper.sweep();
    const left = await bytesOf(file.id);
    expect(left).toHaveLength(3);
    expect(left.every((path) => path.startsWith('media/'))).toBe(true);
    expect(await sql('select leftovers_due_at from media_files where id = $1', file.id)).toEqual([
      { leftovers_due_at: null },
    ]);
  });

  it('removes what a late writer left behind a purged file', async () => {
    const heidi = mediadock.as('heidi');
    const file = await heidi.upload(await photo(300, 200), 'image/jpeg');
    await heidi.settled(file.id);
    await heidi.delete(file.id);
    await until(
      async () =>
        (await sql('select 1 from media_files where id = $1 and purged_at is not null', file.id))[0] ?? null,
      'the purge',
    );
    await mediadock.app
      .get(ObjectStorage, { strict: false })
      .put(derivativeKey(file.storageKey, 'thumbnail'), Buffer.from('late'), {
        contentType: 'image/webp',
        originalFileName: 'late.webp',
      });
    await sql("update media_files set leftovers_due_at = now() - interval '1 second' where id = $1", file.id);
    await sweeper.sweep();
    expect(await bytesOf(file.id)).toEqual([]);
  });

  it('frees the place of a deleted upload when its URL is dead, and not before', async () => {
    const kim = mediadock.as('kim');
    const bytes = await photo(100, 80);
    const ticket = await kim.uploadUnconfirmed(bytes, 'image/jpeg');
    const id = ticket.mediaFileId;
    await kim.confirm(id);
    await kim.settled(id);
    await kim.delete(id);
    await until(
      async () =>
        (await sql('select 1 from media_files where id = $1 and purged_at is not null', id))[0] ?? null,
      'the purge',
    );
    await sweeper.sweep();
    expect((await kim.put(ticket, bytes)).status).toBe(412);
    await sql("update media_files set leftovers_due_at = now() - interval '1 second' where id = $1", id);
    await sweeper.sweep();
    // Here the URL is still good, which shows what is left of the place: nothing.
    expect((await kim.put(ticket, bytes)).status).toBe(200);
  });

  it('has nothing to do for a deleted file whose bytes went when it failed', async () => {
    const judy = mediadock.as('judy');
    const ticket = await judy.uploadUnconfirmed(await photo(100, 80), 'image/jpeg');
    await closeWindow(ticket.mediaFileId);
    await sweeper.sweep();
    expect((await judy.delete(ticket.mediaFileId)).status).toBe(204);
    expect(
      await sql(
        'select drive_after, purged_at is null as left from media_files where id = $1',
        ticket.mediaFileId,
      ),
    ).toEqual([{ drive_after: null, left: false }]);
  });

  it('does not let a storage that is down cost anything: the reservation stays until the bytes are really gone', async () => {
    const ivan = mediadock.as('ivan');
    const bytes = await photo(120, 90);
    const ticket = await ivan.uploadUnconfirmed(bytes, 'image/jpeg');
    await closeWindow(ticket.mediaFileId);
    await mediadock.stack.storageDown();
    await expect(sweeper.sweep()).rejects.toThrow(AggregateError);
    expect(await ivan.quota()).toMatchObject({ reservedBytes: bytes.length });
    await mediadock.stack.storageUp();
    await sweeper.sweep();
    expect(await bytesOf(ticket.mediaFileId)).toEqual([]);
    expect(await ivan.quota()).toMatchObject({ reservedBytes: 0 });
  });

  it('leaves every ledger as its rows say', async () => {
    await expect(mediadock.app.get(QuotaReconciler, { strict: false }).findDrift()).resolves.toEqual([]);
  });
});

describe('a pass of the sweeper that does not come to its end', () => {
  it('does not hold up the end of the process, and begins nothing more', async () => {
    vi.spyOn(MediaLifecycleRepository.prototype, 'findExpired').mockReturnValue(new Promise(() => {}));
    const next = vi.spyOn(MediaLifecycleRepository.prototype, 'claimDueWork');
    const mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '1' });
    const begin = performance.now();
    await mediadock.close();
    expect(performance.now() - begin).toBeLessThan(15_000);
    expect(next).not.toHaveBeenCalled();
  });
});
