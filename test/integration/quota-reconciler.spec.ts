import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe(QuotaReconciler.name, () => {
  let mediadock: TestApp;
  let reconciler: QuotaReconciler;

  beforeAll(async () => {
    mediadock = await startTestApp();
    reconciler = mediadock.app.get(QuotaReconciler, { strict: false });
  });
  afterAll(async () => mediadock.close());

  it('finds a ledger that is off, says by how much, and puts it right', async () => {
    const alice = mediadock.as('alice');
    const bytes = await photo(100, 80);
    const file = await alice.upload(bytes, 'image/jpeg');
    await alice.requestUpload({ fileName: 'x.png', mimeType: 'image/png', fileSize: 77 });
    await mediadock.database.query('update storage_quotas set used_bytes = 5, reserved_bytes = 6');

    expect(await reconciler.findDrift()).toEqual([
      {
        userId: file.userId,
        usedBytes: 5,
        actualUsedBytes: bytes.length,
        reservedBytes: 6,
        actualReservedBytes: 77,
      },
    ]);
    await reconciler.repair(file.userId);
    expect(await reconciler.findDrift()).toEqual([]);
    expect(await alice.quota()).toMatchObject({ usedBytes: bytes.length, reservedBytes: 77 });
  });

  it('opens the ledger of a user who has files and none', async () => {
    const dave = mediadock.as('dave');
    const bytes = await photo(60, 40);
    const { id, userId } = await dave.upload(bytes, 'image/jpeg');
    await mediadock.database.query('delete from storage_quotas where user_id = $1', [userId]);
    expect(await reconciler.findDrift()).toEqual([
      { userId, usedBytes: 0, actualUsedBytes: bytes.length, reservedBytes: 0, actualReservedBytes: 0 },
    ]);
    await reconciler.repair(userId);
    expect(await reconciler.findDrift()).toEqual([]);
    expect((await dave.delete(id)).status).toBe(204);
    expect(await dave.quota()).toMatchObject({ usedBytes: 0 });
  });

  it('repairs a ledger under way without losing what happens meanwhile', async () => {
    const bob = mediadock.as('bob');
    const { userId } = await bob.upload(await photo(60, 40), 'image/jpeg');
    await Promise.all([
      ...Array.from({ length: 30 }, (_unused, index) =>
        bob.requestUpload({ fileName: `${index}.png`, mimeType: 'image/png', fileSize: 100 }),
      ),
      ...Array.from({ length: 10 }, () => reconciler.repair(userId)),
    ]);
    expect(await bob.quota()).toMatchObject({ reservedBytes: 3000 });
    expect(await reconciler.findDrift()).toEqual([]);
  });

  it('shows a user with a lowered limit nothing below zero, and takes nothing more', async () => {
    const carol = mediadock.as('carol');
    const { userId } = await carol.upload(await photo(60, 40), 'image/jpeg');
    await mediadock.database.query('update storage_quotas set limit_bytes = 1 where user_id = $1', [userId]);
    expect(await carol.quota()).toMatchObject({ limitBytes: 1, availableBytes: 0 });
    expect(
      (await carol.requestUpload({ fileName: 'x.png', mimeType: 'image/png', fileSize: 1 })).status,
    ).toBe(403);
  });
});
