import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/api-client.js';
import { audit } from '../support/auditor.js';
import { Cluster } from '../support/cluster.js';
import { photo } from '../support/images.js';
import { PatientUploader } from '../support/patient-uploader.js';

/** A dead worker is missed after a lock and a check of 30 s each; a slow machine may take its time on top. */
const RECOVERY_TIMEOUT_MS = 180_000;
const UPLOADS_PER_FAULT = 50;
const PHOTOS = 10;
const SMALL = [480, 360] as const;

interface Fault {
  readonly name: string;
  /** Over how long the uploads come, so that there are some in every stage when the part goes away. */
  readonly uploadSeconds: number;
  readonly size: readonly [width: number, height: number];
  readonly run: (cluster: Cluster) => Promise<void>;
}

/** Each part in turn goes away under uploads that have begun to come. */
const FAULTS: readonly Fault[] = [
  {
    name: 'a worker is killed in the middle of its jobs',
    // All at once, and large, so that there is more work than the workers can have in hand.
    uploadSeconds: 0,
    size: [1600, 1200],
    run: async ({ workers: [first, second] }) => {
      // Each takes two jobs at most: with three at work, both have some in hand.
      await until(
        async () =>
          ((await first?.metric('mediadock_queue_jobs', { state: 'active' })) ?? 0) >= 3 ? true : null,
        'both workers to have work',
      );
      await first?.kill();
      await sleep(4_000);
      expect(second?.isRunning).toBe(true);
      await first?.start();
    },
  },
  {
    name: 'Redis is away for ten seconds',
    uploadSeconds: 11,
    size: SMALL,
    run: async ({ redis }) => {
      await redis.stop();
      await sleep(10_000);
      await redis.start();
    },
  },
  {
    name: 'PostgreSQL is killed, and away for five seconds',
    uploadSeconds: 6,
    size: SMALL,
    run: async ({ postgres }) => {
      await postgres.kill();
      await sleep(5_000);
      await postgres.startAgain();
    },
  },
  {
    name: 'the object storage is away for ten seconds',
    uploadSeconds: 11,
    size: SMALL,
    run: async ({ gcs }) => {
      await gcs.down();
      await sleep(10_000);
      await gcs.up();
    },
  },
];

describe('200 uploads while one part after the other is taken away', () => {
  const ids: string[] = [];
  let cluster: Cluster;
  let uploader: PatientUploader;

  beforeAll(async () => {
    cluster = await Cluster.start({
      apis: 2,
      workers: 2,
      environment: { SWEEP_INTERVAL_SECONDS: '2', WORKER_CONCURRENCY: '2' },
    });
    let turn = 0;
    uploader = new PatientUploader(() => cluster.as('alice', turn++));
  }, 300_000);
  afterAll(async () => cluster.close());

  /** Spread evenly over this time. */
  async function uploadOver(seconds: number, photos: readonly Buffer[]): Promise<void> {
    await Promise.all(
      Array.from({ length: UPLOADS_PER_FAULT }, async (_, index) => {
        await sleep((index / UPLOADS_PER_FAULT) * seconds * 1000);
        const bytes = photos[index % PHOTOS] ?? Buffer.alloc(0);
        ids.push(await uploader.upload(bytes, 'image/jpeg', `${index}.jpg`));
      }),
    );
  }

  it.each(FAULTS)(
    'get through, with the tries of a patient client, when $name',
    async ({ run, uploadSeconds, size: [width, height] }) => {
      const before = ids.length;
      const photos = await Promise.all(
        Array.from({ length: PHOTOS }, (_, index) => photo(width, height, index + 1)),
      );
      const uploads = uploadOver(uploadSeconds, photos);
      await Promise.all([uploads, sleep(Math.min(uploadSeconds, 1) * 1000).then(() => run(cluster))]);
      expect(ids.length - before).toBe(UPLOADS_PER_FAULT);
    },
    120_000,
  );

  it('all become ready without anybody’s help, the killed worker’s too', async () => {
    await until(
      async () => {
        const rows = await cluster.postgres.query<{ count: string }>(
          "select count(*) from media_files where id = any('{" + ids.join(',') + "}') and status = 'ready'",
        );
        return Number(rows[0]?.count) === ids.length ? true : null;
      },
      'all files to be ready',
      RECOVERY_TIMEOUT_MS,
    );
    expect(new Set(ids).size).toBe(4 * UPLOADS_PER_FAULT);
    const stalled = await Promise.all(
      cluster.members.map((member) => member.metric('mediadock_stalled_jobs_total')),
    );
    expect(stalled.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  }, 200_000);

  it('leave rows, ledger and objects in agreement', async () => {
    // The windows of URLs whose answer was lost, and of copies kept until then, are closed by hand.
    await cluster.postgres.query(
      `update media_files set upload_expires_at = now() - interval '1 hour', leftovers_due_at = now()
       where leftovers_due_at is not null`,
    );
    const place = {
      query: <Row extends object>(text: string) => cluster.postgres.query<Row>(text),
      objects: async () => cluster.objects(),
    };
    await until(async () => ((await audit(place)).length === 0 ? true : null), 'the sweeps', 60_000).catch(
      () => {},
    );
    expect(await audit(place)).toEqual([]);
  }, 90_000);

  it('leave no process with a fault of its own, and no unhandled rejection in any log', async () => {
    expect(cluster.members.filter((member) => !member.isRunning)).toEqual([]);
    expect(await cluster.stopMembers()).toEqual([]);
    for (const { output } of cluster.members) {
      expect(output).not.toMatch(/unhandled|uncaught|triggerUncaught/i);
    }
    expect(uploader.retries).toBeGreaterThan(0);
  });
});
