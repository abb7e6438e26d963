import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Metrics } from '../../src/common/metrics.js';
import { DeleteFilesHandler } from '../../src/processing/delete-files.handler.js';
import { GenerateThumbnailsHandler } from '../../src/processing/generate-thumbnails.handler.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import type { Job } from '../../src/queue/jobs.js';
import { type ApiClient, until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { type Work, WorkCounter } from '../support/work-counter.js';

/**
 * What every operation costs beside its own work, once the user is known. A statement more is a round trip more for every
 * request there will ever be: whoever needs one changes the figure here, and in the table of docs/benchmarks.md.
 */
const COSTS = {
  'request an upload URL': { statements: 1, storage: { signUpload: 1 } },
  'request an upload URL for bytes that are there': { statements: 1, storage: {} },
  'request an upload URL with an Idempotency-Key': { statements: 3, storage: { signUpload: 1 } },
  'request a batch of 100 upload URLs': { statements: 1, storage: { signUpload: 100 } },
  confirm: { statements: 2, storage: { readHead: 1, promote: 1 } },
  'upload directly': { statements: 2, storage: { put: 1 } },
  'upload directly what is there': { statements: 2, storage: {} },
  'look at a file': { statements: 1, storage: {} },
  'list files': { statements: 1, storage: {} },
  'read the quota': { statements: 1, storage: {} },
  delete: { statements: 1, storage: {} },
  'process an image (job)': { statements: 2, storage: { openRead: 1, put: 2 } },
  'delete the bytes of a file (job)': { statements: 2, storage: { seal: 1, delete: 3 } },
} as const satisfies Record<string, Work>;

describe('what a request costs', () => {
  let mediadock: TestApp;
  let alice: ApiClient;
  let counter: WorkCounter;
  /** What was enqueued. Carried out by hand, so that no job is counted as a part of the request that it came from. */
  const jobs: Job[] = [];

  beforeAll(async () => {
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    counter = new WorkCounter(mediadock);
    alice = mediadock.as('alice');
    // The first request of a user looks him up, and opens his ledger.
    await alice.quota();
    // The sweep of the start must not be counted as somebody's.
    await until(async () => {
      const { values } = await mediadock.app.get(Metrics).sweeps.get();
      return values.some(({ labels, value }) => labels.outcome === 'done' && value > 0) ? true : null;
    }, 'the first sweep');
  });

  beforeEach(() => {
    vi.spyOn(mediadock.app.get(JobQueue), 'enqueue').mockImplementation(async (job) => {
      jobs.push(job);
      return true;
    });
  });

  afterAll(async () => {
    await mediadock.close();
  });

  async function runJobs(): Promise<void> {
    for (const job of jobs.splice(0)) {
      await (job.name === 'generate_thumbnails'
        ? mediadock.app.get(GenerateThumbnailsHandler).run(job.mediaFileId, { number: 1, last: false })
        : mediadock.app.get(DeleteFilesHandler).run(job.mediaFileId));
    }
  }

  const costOf = (work: () => Promise<unknown>): Promise<Work> => counter.of(work);

  const REQUEST = { fileName: 'photo.jpg', mimeType: 'image/jpeg', fileSize: 1000 };

  it('is one statement for an upload URL', async () => {
    expect(await costOf(() => alice.requestUpload(REQUEST))).toEqual(COSTS['request an upload URL']);
  });

  it('is two more with an Idempotency-Key, to claim it and to keep the answer', async () => {
    expect(
      await costOf(() =>
        alice.send('POST', '/v1/media/uploads', {
          body: JSON.stringify(REQUEST),
          headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
        }),
      ),
    ).toEqual(COSTS['request an upload URL with an Idempotency-Key']);
  });

  it('is the same for a batch of a hundred as for a batch of one', async () => {
    expect(
      await costOf(() =>
        alice.sendJson('POST', '/v1/media/uploads/batch', {
          items: Array.from({ length: 100 }, () => REQUEST),
        }),
      ),
    ).toEqual(COSTS['request a batch of 100 upload URLs']);
  });

  it('is bounded for everything on the way of a photo', async () => {
    const bytes = await photo(320, 240, 1);
    const { mediaFileId: id } = await alice.uploadUnconfirmed(bytes, 'image/jpeg');
    expect(await costOf(() => alice.confirm(id))).toEqual(COSTS.confirm);
    expect(await costOf(runJobs)).toEqual(COSTS['process an image (job)']);
    expect(await costOf(() => alice.get(id))).toEqual(COSTS['look at a file']);
    expect(await costOf(() => alice.list())).toEqual(COSTS['list files']);
    expect(await costOf(() => alice.quota())).toEqual(COSTS['read the quota']);
    const contentHash = createHash('sha256').update(bytes).digest('hex');
    expect(
      await costOf(() => alice.requestDuplicate({ ...REQUEST, fileSize: bytes.length, contentHash })),
    ).toEqual(COSTS['request an upload URL for bytes that are there']);
    expect(await costOf(() => alice.delete(id))).toEqual(COSTS.delete);
    expect(await costOf(runJobs)).toEqual(COSTS['delete the bytes of a file (job)']);
  });

  it('is two statements and one call for a direct upload', async () => {
    const bytes = await photo(320, 240, 2);
    expect(await costOf(() => alice.uploadDirect(bytes, 'image/jpeg'))).toEqual(COSTS['upload directly']);
    expect(await costOf(() => alice.uploadDirect(bytes, 'image/jpeg'))).toEqual(
      COSTS['upload directly what is there'],
    );
  });

  it('stands in the documentation as it is', async () => {
    const text = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'benchmarks.md'), 'utf8');
    for (const [operation, { statements, storage }] of Object.entries(COSTS)) {
      const calls = Object.entries(storage).map(([verb, count]) => `${count} ${verb}`);
      const row = new RegExp(
        `^\\| ${operation.replaceAll(/[()]/g, '\\$&')} +\\| +${statements} +\\| ${calls.join(', ') || '–'} +\\|`,
        'm',
      );
      expect(text).toMatch(row);
    }
  });
});
