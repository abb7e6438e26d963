import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/api-client.js';
import { audit } from '../support/auditor.js';
import { Cluster } from '../support/cluster.js';
import { seededRandom } from '../support/images.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { Havoc } from './havoc.js';
import { Load } from './load.js';

const { seconds, seed } = runOptions({ seconds: 10 });
const USERS = 6;
/** Dead workers are missed after a minute; work that failed often is taken up ever more slowly. */
const REST_TIMEOUT_MS = 300_000;

describe(`${seconds} seconds of chaos from seed ${seed}`, () => {
  const random = seededRandom(seed);
  let cluster: Cluster;
  let load: Load;
  let havoc: Havoc;
  let restSeconds = 0;
  const lost: string[] = [];
  let disagreements: readonly string[] = [];

  beforeAll(async () => {
    cluster = await Cluster.start({
      apis: 2,
      workers: 2,
      environment: { SWEEP_INTERVAL_SECONDS: '1', WORKER_CONCURRENCY: '2', PROCESSING_TIMEOUT_SECONDS: '60' },
    });
    load = new Load(cluster, random);
    havoc = new Havoc(cluster, random);
  }, 300_000);
  afterAll(async () => cluster.close());

  it(
    'end, and every call of a patient client has got its answer',
    async () => {
      const living = load.run(USERS);
      await havoc.run(seconds * 1000);
      load.stop();
      await living;
      expect(load.truths.size).toBe(USERS);
    },
    seconds * 1000 + 300_000,
  );

  it(
    'leave no work undone, though nobody helps',
    async () => {
      const before = Date.now();
      await until(
        async () => ((await unfinished()) === 0 ? true : null),
        'everything to come to rest',
        REST_TIMEOUT_MS,
      );
      restSeconds = Math.round((Date.now() - before) / 1000);
      expect(await unfinished()).toBe(0);
    },
    REST_TIMEOUT_MS + 10_000,
  );

  it('have lost nothing that was answered as done, and kept nothing that was answered as deleted', async () => {
    for (const [subject, { kept, doomed, deleted }] of load.truths) {
      const client = cluster.as(subject);
      const expectations: [ReadonlySet<string>, string][] = [
        [kept, 'ready'],
        [doomed, 'failed'],
        [deleted, '404'],
      ];
      for (const [ids, expected] of expectations) {
        for (const id of ids) {
          const { status, body } = await client.get(id);
          const found = status === 200 ? body.status : String(status);
          if (found !== expected) {
            lost.push(`${id} of ${subject} is ${found}, not ${expected}: ${body.processingError}`);
          }
        }
      }
    }
    expect(lost).toEqual([]);
  });

  it('leave rows, ledger and objects in agreement once the windows have closed', async () => {
    await cluster.postgres.query(
      `update media_files set upload_expires_at = now() - interval '1 hour', leftovers_due_at = now()
       where leftovers_due_at is not null or reservation_open`,
    );
    const place = {
      query: <Row extends object>(text: string) => cluster.postgres.query<Row>(text),
      objects: async () => cluster.objects(),
    };
    await until(async () => ((await audit(place)).length === 0 ? true : null), 'the sweeps', 60_000).catch(
      () => {},
    );
    disagreements = await audit(place);
    expect(disagreements).toEqual([]);
  }, 90_000);

  it('leave no process with a fault of its own, and no unhandled rejection in any log', async () => {
    expect(cluster.members.flatMap(({ crashes }) => crashes)).toEqual([]);
    expect(await cluster.stopMembers()).toEqual([]);
    for (const { output } of cluster.members) {
      expect(output).not.toMatch(/unhandled|uncaught/i);
    }
    await report();
  });

  /** Files between two states, deletions whose bytes are still there. */
  async function unfinished(): Promise<number> {
    const rows = await cluster.postgres.query<{ count: string }>(`
      select count(*) from media_files
      where (status = 'processing' and deleted_at is null)
        or (purged_at is null and (deleted_at is not null or status = 'failed') and not reservation_open)`);
    return Number(rows[0]?.count);
  }

  async function report(): Promise<void> {
    const rows = await cluster.postgres.query<{ state: string; count: string }>(`
      select case when deleted_at is null then status else 'deleted' end as state, count(*)
      from media_files group by 1 order by 1`);
    const faults = [...havoc.made.values()].reduce((sum, count) => sum + count, 0);
    printFigures(`Chaos: ${seconds} s, seed ${seed}`, {
      'calls of clients': load.calls,
      'of these repeated': load.retries,
      'faults injected': faults,
      ...Object.fromEntries(havoc.made),
      ...Object.fromEntries(rows.map(({ state, count }) => [`files ${state}`, count])),
      'seconds until all was at rest': restSeconds,
      'calls answered as done and lost': lost.length,
      'files stuck': await unfinished(),
      'disagreements of rows, ledger and objects': disagreements.length,
    });
  }
});
