import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { BATCH, type Batch, jpegs, requestBatch, statusesOf } from '../support/batch-requests.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const JPEG = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };

/** So many items of 1,000 bytes. */
function many(count: number): object[] {
  return jpegs(...Array.from({ length: count }, () => 1000));
}

describe('a batch and the quota', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
  });
  afterAll(async () => mediadock.close());

  /** A user with room for this many bytes. */
  async function withLimit(subject: string, bytes: number): Promise<ApiClient> {
    const client = mediadock.as(subject);
    await client.quota();
    await mediadock.database.query(
      `update storage_quotas set limit_bytes = $2
       where user_id = (select id from user_profiles where user_info_id = $1)`,
      [subject, bytes],
    );
    return client;
  }

  it('has room for a hundred long names in any script, also with every character escaped, and for no more', async () => {
    const item = {
      fileName: `${String.raw`\u0434`.repeat(251)}.jpg`,
      mimeType: 'image/jpeg',
      fileSize: 1,
      contentHash: 'a1'.repeat(32),
    };
    const text = (padding: string) =>
      `{"items":[${Array.from({ length: 100 }, () => JSON.stringify(item).replaceAll('\\\\', '\\')).join()}]${padding}}`;
    const answer = await send(text(''));
    expect(answer.status).toBe(200);
    expect(statusesOf(answer)).toEqual(Array.from({ length: 100 }, () => 201));
    expect((await send(text(' '.repeat(256 * 1024)))).body).toMatchObject({ code: 'validation_failed' });
  });

  function send(body: string) {
    const headers = { 'content-type': 'application/json' };
    return mediadock.as('grace').send<Batch>('POST', BATCH, { body, headers });
  }

  async function refusals(): Promise<number> {
    const { body } = await mediadock.anonymous().send<string>('GET', '/metrics');
    return Number(/^mediadock_quota_refusals_total (\d+)/m.exec(body)?.[1]);
  }

  it('takes what fits, item after item: a smaller one after one that did not fit may still do', async () => {
    const erin = await withLimit('erin', 1000);
    const answer = await requestBatch(erin, jpegs(400, 700, 300, 400, 300, 1));
    expect(statusesOf(answer)).toEqual([201, 403, 201, 403, 201, 403]);
    expect(answer.body.items.map(({ code, detail }) => (code ? `${code}: ${detail}` : null))).toEqual([
      null,
      'quota_exceeded: 700 bytes do not fit: 600 bytes are available',
      null,
      'quota_exceeded: 400 bytes do not fit: 300 bytes are available',
      null,
      'quota_exceeded: 1 bytes do not fit: 0 bytes are available',
    ]);
    expect(await erin.quota()).toMatchObject({ reservedBytes: 1000, availableBytes: 0 });
  });

  it.each(Array.from({ length: 10 }, (_, round) => round))(
    'comes to the same as single requests one after the other, whatever the sizes (%i)',
    async (round) => {
      const limit = 5000 + round * 777;
      const together = await withLimit(`together ${round}`, limit);
      const alone = await withLimit(`alone ${round}`, limit);
      const sizes = Array.from({ length: 20 }, (_, index) => 1 + ((index * 613 + round * 97) % 1500));
      const singles: Answer<ProblemBody>[] = [];
      for (const fileSize of sizes) {
        singles.push(await alone.requestUpload<ProblemBody>({ ...JPEG, fileSize }));
      }
      const { body } = await requestBatch(together, jpegs(...sizes));
      expect(body.items.map(({ status, detail }) => [status, detail])).toEqual(
        singles.map((single) => [single.status, single.body.detail]),
      );
      expect(await together.quota()).toEqual(await alone.quota());
    },
  );

  it('gives a brand-new user all that fits', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => requestBatch(mediadock.as('newcomer'), jpegs(1, 2, 3))),
    );
    expect(answers.map(statusesOf)).toEqual(answers.map(() => [201, 201, 201]));
    expect(await mediadock.as('newcomer').quota()).toMatchObject({ reservedBytes: 30 });
  });

  it('never exceed it together with single requests, and leave nothing that would fit', async () => {
    const greedy = await withLimit('greedy', 100_500);
    const answers = await Promise.all([
      ...Array.from({ length: 12 }, async () => statusesOf(await requestBatch(greedy, many(10)))),
      ...Array.from({ length: 30 }, async () => [(await greedy.requestUpload(JPEG)).status]),
    ]);
    expect(answers.flat().filter((status) => status === 201)).toHaveLength(100);
    expect(answers.flat().filter((status) => status === 403)).toHaveLength(50);
    expect(await greedy.quota()).toMatchObject({ reservedBytes: 100_000 });
  });

  it('choose one after the other when many of them have to choose', async () => {
    const torn = await withLimit('torn', 20_000);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => requestBatch(torn, jpegs(19_000, 900 + index, 500 + index))),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const refused = new Set(answers.flatMap(statusesOf));
    expect(refused).toEqual(new Set([201, 403]));
    // Each of them asked for 539 bytes or fewer, and the last ones were told that this is too much.
    expect((await torn.quota()).availableBytes).toBeLessThan(539);
  });

  it('count every refusal, and get back what was never put', async () => {
    const frank = await withLimit('frank', 2500);
    const before = await refusals();
    expect(statusesOf(await requestBatch(frank, many(4)))).toEqual([201, 201, 403, 403]);
    expect((await refusals()) - before).toBe(2);
    await mediadock.database.query(
      `update media_files set upload_expires_at = now() - interval '1 s'
       where user_id = (select id from user_profiles where user_info_id = 'frank')`,
    );
    await mediadock.app.get(Sweeper, { strict: false }).sweep();
    expect(await frank.quota()).toMatchObject({ reservedBytes: 0 });
  });

  it('leave every ledger as its rows say', async () => {
    await expect(mediadock.app.get(QuotaReconciler, { strict: false }).findDrift()).resolves.toEqual([]);
  });
});

describe('a batch under RATE_LIMIT_PER_MINUTE', () => {
  let hasty: TestApp;

  beforeAll(async () => {
    hasty = await startTestApp({ RATE_LIMIT_PER_MINUTE: '10' });
  });
  afterAll(async () => hasty.close());

  it('counts as as many requests as it has items, and costs nothing when that is too many', async () => {
    const alice = hasty.as('alice');
    expect((await requestBatch(alice, many(4))).status).toBe(200);
    const refused = await requestBatch<ProblemBody>(alice, many(7));
    expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers.get('retry-after'))).toBe(60);
    expect((await requestBatch(alice, many(5))).status).toBe(200);
    expect((await alice.requestUpload(JPEG)).status).toBe(201);
    expect((await alice.requestUpload(JPEG)).status).toBe(429);
    const [ledger] = await hasty.database.query(
      `select reserved_bytes::int as reserved from storage_quotas
       where user_id = (select id from user_profiles where user_info_id = 'alice')`,
    );
    expect(ledger).toEqual({ reserved: 10_000 });
  });

  it('is no way around the limit for many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => requestBatch(hasty.as('bob'), many(3))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
  });

  it('costs the whole limit when it has more items than that, so that it is possible at all', async () => {
    expect((await requestBatch(hasty.as('carol'), many(100))).status).toBe(200);
    expect((await requestBatch(hasty.as('carol'), many(1))).status).toBe(429);
    expect((await requestBatch(hasty.as('dave'), many(1))).status).toBe(200);
    expect((await requestBatch(hasty.as('dave'), many(100))).status).toBe(429);
  });

  it('costs one request when it is none', async () => {
    const erin = hasty.as('erin');
    expect((await requestBatch(erin, many(101))).status).toBe(400);
    expect((await requestBatch(erin, 'none')).status).toBe(400);
    expect((await requestBatch(erin, many(8))).status).toBe(200);
  });
});
