import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../../src/database/orm-options.js';
import { until } from '../support/api-client.js';
import { audit } from '../support/auditor.js';
import { Cluster, type Member } from '../support/cluster.js';
import { photo } from '../support/images.js';

const SWEEP_SECONDS = 1;

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

async function sweepsDone(member: Member): Promise<number> {
  return member.metric('mediadock_sweeps_total', { outcome: 'done' });
}

describe('two APIs and two workers on one database, one Redis and one pair of buckets', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({
      apis: 2,
      workers: 2,
      environment: { SWEEP_INTERVAL_SECONDS: String(SWEEP_SECONDS), WORKER_CONCURRENCY: '2' },
    });
  }, 300_000);
  afterAll(async () => cluster.close());

  const countAtWorkers = async (metric: string, labels: Record<string, string>): Promise<number[]> =>
    Promise.all(cluster.workers.map((worker) => worker.metric(metric, labels)));

  /** The worker that sweeps, and the one that finds it is done elsewhere. */
  async function sweeperAndOther(): Promise<[Member, Member]> {
    const [first, second] = cluster.workers;
    if (first === undefined || second === undefined) {
      throw new Error('There are two workers');
    }
    return until(async () => {
      const [here, there] = await Promise.all([first, second].map((worker) => sweepsDone(worker)));
      if (here === 0 && there === 0) {
        return null;
      }
      return here === 0 ? [second, first] : [first, second];
    }, 'a sweep');
  }

  it('start together on an empty database, and migrate it once', async () => {
    const rows = await cluster.postgres.query<{ name: string }>('select name from mikro_orm_migrations');
    expect(rows.map(({ name }) => name).toSorted()).toEqual(MIGRATIONS.map(({ name }) => name).toSorted());
    for (const member of cluster.members) {
      expect(member.output).not.toContain('"level":50');
      expect(member.output).not.toMatch(/unhandled|uncaught/i);
    }
  });

  it('share the work, and do no job twice', async () => {
    const files = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const client = cluster.as('alice', index);
        return client.upload(await photo(900, 600, index + 1), 'image/jpeg');
      }),
    );
    // Whoever took the upload, the other API shows it as well.
    const settled = await Promise.all(
      files.map(({ id }, index) => cluster.as('alice', index + 1).settled(id)),
    );
    expect(settled.filter(({ status }) => status !== 'ready')).toEqual([]);

    const jobs = { job: 'generate_thumbnails' };
    // Counted a moment after the file is ready.
    const done = await until(async () => {
      const counts = await countAtWorkers('mediadock_job_duration_seconds_count', {
        ...jobs,
        outcome: 'done',
      });
      return sum(counts) >= 40 ? counts : null;
    }, 'the count of jobs');
    expect(sum(done)).toBe(40);
    expect(Math.min(...done)).toBeGreaterThan(0);
    // Two derivatives of each file, written once: nobody worked on a file that another one had in hand.
    expect(sum(await countAtWorkers('mediadock_storage_call_duration_seconds_count', { verb: 'put' }))).toBe(
      80,
    );
    expect(
      sum(await countAtWorkers('mediadock_job_duration_seconds_count', { ...jobs, outcome: 'retried' })),
    ).toBe(0);
    for (const api of cluster.apis) {
      expect(await api.metric('mediadock_job_duration_seconds_count')).toBe(0);
    }
  });

  it('let one of the workers sweep, and no API', async () => {
    const [sweeper, other] = await sweeperAndOther();
    const before = await sweepsDone(sweeper);
    await until(async () => ((await sweepsDone(sweeper)) >= before + 2 ? true : null), 'two more sweeps');
    expect(await sweepsDone(other)).toBe(0);
    expect(await other.metric('mediadock_sweeps_total', { outcome: 'elsewhere' })).toBeGreaterThan(0);
    const holders = await cluster.postgres.query(
      "select pid from pg_locks where locktype = 'advisory' and granted",
    );
    expect(holders).toHaveLength(1);
    for (const api of cluster.apis) {
      expect(await api.metric('mediadock_sweeps_total')).toBe(0);
    }
  });

  it('hand the sweeping over when the process that does it dies, and lose nothing by it', async () => {
    const [sweeper, other] = await sweeperAndOther();
    await sweeper.kill();
    await until(async () => ((await sweepsDone(other)) > 0 ? true : null), 'the other worker to sweep');

    const bob = cluster.as('bob');
    const { body: ticket } = await bob.requestUpload({
      fileName: 'never-put.jpg',
      mimeType: 'image/jpeg',
      fileSize: 1000,
    });
    await cluster.postgres.query(
      `update media_files set upload_expires_at = now() - interval '1 second' where id = $1`,
      [ticket.mediaFileId],
    );
    expect(await bob.settled(ticket.mediaFileId)).toMatchObject({
      status: 'failed',
      processingError: 'upload_expired',
    });
    await until(async () => ((await bob.quota()).reservedBytes === 0 ? true : null), 'the release');
    await sweeper.start();
  });

  it('take uploads while no worker is there, and do the work when one comes', async () => {
    await Promise.all(cluster.workers.map((worker) => worker.kill()));
    const carol = cluster.as('carol');
    const files = await Promise.all(
      [1, 2, 3].map(async (seed) => carol.upload(await photo(300, 200, seed), 'image/jpeg')),
    );
    expect(files.map(({ status }) => status)).toEqual(['processing', 'processing', 'processing']);
    await Promise.all(cluster.workers.map((worker) => worker.start()));
    const settled = await Promise.all(files.map(({ id }) => carol.settled(id)));
    expect(settled.map(({ status }) => status)).toEqual(['ready', 'ready', 'ready']);
  });

  it('go on where an API was killed: the client confirms at the other one', async () => {
    const dave = cluster.as('dave', 0);
    const ticket = await dave.uploadUnconfirmed(await photo(300, 200, 9), 'image/jpeg');
    await cluster.apis[0]?.kill();
    await expect(dave.confirm(ticket.mediaFileId)).rejects.toThrow('fetch failed');
    const elsewhere = cluster.as('dave', 1);
    expect((await elsewhere.confirm(ticket.mediaFileId)).status).toBe(200);
    expect((await elsewhere.settled(ticket.mediaFileId)).status).toBe('ready');
    await cluster.apis[0]?.start();
  });

  it('end with rows, ledger and objects in agreement, each process of itself', async () => {
    await cluster.postgres.query(
      `update media_files set upload_expires_at = now() - interval '1 hour', leftovers_due_at = now()`,
    );
    const place = {
      query: <Row extends object>(text: string) => cluster.postgres.query<Row>(text),
      objects: async () => cluster.objects(),
    };
    await until(async () => ((await audit(place)).length === 0 ? true : null), 'the sweeps to be through');
    expect(await audit(place)).toEqual([]);
    expect(await cluster.stopMembers()).toEqual([]);
  });
});
