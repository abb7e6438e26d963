import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const MEBIBYTE = 1024 * 1024;

async function atOnce<Result>(count: number, call: (index: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => call(index)));
}

function statusCounts(answers: readonly { status: number }[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

describe('many requests at once', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp();
  });
  afterAll(async () => mediadock.close());

  async function expectNoDrift(): Promise<void> {
    await expect(mediadock.app.get(QuotaReconciler, { strict: false }).findDrift()).resolves.toEqual([]);
  }

  it('reserve exactly what fits: 102 of 150 requests for 10 MiB against 1 GiB', async () => {
    const greedy = mediadock.as('greedy');
    const answers = await atOnce(150, (index) =>
      greedy.requestUpload<ProblemBody>({
        fileName: `${index}.jpg`,
        mimeType: 'image/jpeg',
        fileSize: 10 * MEBIBYTE,
      }),
    );
    expect(statusCounts(answers)).toEqual({ 201: 102, 403: 48 });
    expect(
      answers.filter(({ status }) => status === 403).every(({ body }) => body.code === 'quota_exceeded'),
    ).toBe(true);
    expect(await greedy.quota()).toEqual({
      limitBytes: 1024 * MEBIBYTE,
      usedBytes: 0,
      reservedBytes: 1020 * MEBIBYTE,
      availableBytes: 4 * MEBIBYTE,
    });
    await expectNoDrift();
  });

  it('let one of 40 confirms win, and start one job', async () => {
    const alice = mediadock.as('alice');
    const bytes = await photo(640, 480);
    const ticket = await alice.uploadUnconfirmed(bytes, 'image/jpeg');
    const answers = await atOnce(40, () => alice.confirm<ProblemBody>(ticket.mediaFileId));
    expect(statusCounts(answers)).toEqual({ 200: 1, 409: 39 });
    for (const { status, body } of answers) {
      expect(
        status === 200 ||
          (body.code === 'invalid_status' && ['processing', 'ready'].includes(String(body.currentStatus))),
      ).toBe(true);
    }
    expect((await alice.settled(ticket.mediaFileId)).status).toBe('ready');
    expect(await alice.quota()).toMatchObject({ usedBytes: bytes.length, reservedBytes: 0 });
    await expectNoDrift();
  });

  it('make one row of 40 identical direct uploads by a brand-new user', async () => {
    const newcomer = mediadock.as('newcomer');
    const bytes = await photo(320, 240, 7);
    const answers = await atOnce(40, () => newcomer.uploadDirect(bytes, 'image/jpeg'));
    expect(statusCounts(answers)).toEqual({ 200: 39, 201: 1 });
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await newcomer.list()).body.items).toHaveLength(1);
    expect(await newcomer.quota()).toMatchObject({ usedBytes: bytes.length, reservedBytes: 0 });
    await expectNoDrift();
  });

  it('make one file of identical direct uploads also when only one of them fits', async () => {
    const bytes = await photo(320, 240, 8);
    const tight = await startTestApp({ QUOTA_BYTES: String(bytes.length) });
    try {
      const answers = await atOnce(20, () => tight.as('tight').uploadDirect(bytes, 'image/jpeg'));
      expect(statusCounts(answers)).toEqual({ 200: 19, 201: 1 });
    } finally {
      await tight.close();
    }
  });

  it('keep the ledger in step while different files are requested, put, confirmed and deleted together', async () => {
    const busy = mediadock.as('busy');
    const photos = await atOnce(12, (index) => photo(200 + index, 150, index));
    const kept = await Promise.all(
      photos.map(async (bytes, index) => {
        const file = await busy.upload(bytes, 'image/jpeg');
        if (index % 3 === 0) {
          await busy.delete(file.id);
          return 0;
        }
        return bytes.length;
      }),
    );
    const used = kept.reduce((sum, bytes) => sum + bytes, 0);
    expect(await busy.quota()).toMatchObject({ usedBytes: used, reservedBytes: 0 });
    await expectNoDrift();
  });

  it('let one of many deletes win and free the quota once', async () => {
    const alice = mediadock.as('deleter');
    const file = await alice.upload(await photo(300, 200, 9), 'image/jpeg');
    await alice.settled(file.id);
    const answers = await atOnce(20, () => alice.delete(file.id));
    expect(statusCounts(answers)).toEqual({ 204: 1, 404: 19 });
    expect(await alice.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
    await expectNoDrift();
  });

  it('cannot both confirm and delete: either way the ledger is right and no bytes stay with a deleted file', async () => {
    const alice = mediadock.as('torn');
    for (let round = 0; round < 8; round++) {
      const ticket = await alice.uploadUnconfirmed(await photo(120, 90, round), 'image/jpeg');
      await Promise.all([alice.confirm(ticket.mediaFileId), alice.delete(ticket.mediaFileId)]);
      expect((await alice.get(ticket.mediaFileId)).status).toBe(404);
    }
    expect(await alice.quota()).toMatchObject({ usedBytes: 0 });
    await expectNoDrift();
  });
});
