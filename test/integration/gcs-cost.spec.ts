import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sweeper } from '../../src/processing/sweeper.js';
import { until } from '../support/api-client.js';
import { type Gcs, startGcs } from '../support/gcs/start-gcs.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** "Operations by class" on the price list of Cloud Storage: what writes or copies is class A, what reads is B. */
function classOf(request: string): 'A' | 'B' | 'free' | 'none' {
  const [method = '', path = ''] = request.split(' ');
  if (path.includes('/token')) {
    return 'none';
  }
  if (method === 'DELETE') {
    return 'free';
  }
  return method === 'GET' || method === 'HEAD' ? 'B' : 'A';
}

// What a provider bills is a promise to whoever pays it: the table in docs/operations.md states these figures.
describe('the calls that Cloud Storage bills', () => {
  let gcs: Gcs;
  let mediadock: TestApp;

  beforeAll(async () => {
    gcs = await startGcs();
    mediadock = await startTestApp({ ...gcs.environment, SWEEP_INTERVAL_SECONDS: '3600' });
  });
  afterAll(async () => {
    await mediadock.close();
    await gcs.close();
  });

  async function billed(work: () => Promise<void>): Promise<Record<string, number>> {
    const from = gcs.server.requests.length;
    await work();
    const counts = { A: 0, B: 0, free: 0, none: 0 };
    for (const request of gcs.server.requests.slice(from)) {
      counts[classOf(request)] += 1;
    }
    const { none: _tokens, ...calls } = counts;
    return calls;
  }

  /** What the sweeper does once the windows have closed. */
  async function sweepLeftovers(): Promise<void> {
    await mediadock.database.query(
      'update media_files set upload_expires_at = now(), leftovers_due_at = now() where leftovers_due_at is not null',
    );
    await mediadock.app.get(Sweeper, { strict: false }).sweep();
  }

  it('are four of class A and three of class B for an upload through a signed URL', async () => {
    const alice = mediadock.as('alice');
    const bytes = await photo(640, 480);
    expect(
      await billed(async () => {
        const { id } = await alice.upload(bytes, 'image/jpeg');
        await alice.settled(id);
        await sweepLeftovers();
      }),
    ).toEqual({ A: 4, B: 3, free: 1 });
  });

  it('are three of class A and two of class B for a direct upload', async () => {
    const alice = mediadock.as('alice');
    const bytes = await photo(320, 240);
    expect(
      await billed(async () => {
        const { body } = await alice.uploadDirect(bytes, 'image/jpeg');
        await alice.settled(body.id);
        await sweepLeftovers();
      }),
    ).toEqual({ A: 3, B: 2, free: 0 });
  });

  it('are none for looking, listing and the quota', async () => {
    const alice = mediadock.as('alice');
    expect(
      await billed(async () => {
        const { body } = await alice.list();
        await alice.get(body.items[0]?.id ?? '');
        await alice.quota();
      }),
    ).toEqual({ A: 0, B: 0, free: 0 });
  });

  it('are eight of class B for a deletion: each object is looked at before it is deleted, and once more at the end', async () => {
    const alice = mediadock.as('alice');
    const { body } = await alice.uploadDirect(await photo(200, 100), 'image/jpeg');
    await alice.settled(body.id);
    expect(
      await billed(async () => {
        await alice.delete(body.id);
        await until(async () => {
          const [row] = await mediadock.database.query<{ purged_at: Date | null }>(
            'select purged_at from media_files where id = $1',
            [body.id],
          );
          return row?.purged_at ? true : null;
        }, 'the bytes to be gone');
        await sweepLeftovers();
      }),
    ).toEqual({ A: 0, B: 8, free: 3 });
  });
});
