import { writeFile } from 'node:fs/promises';
import { MikroORM } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/database/database.js';
import { migrate } from '../../src/database/migrate.js';
import { ormOptions } from '../../src/database/orm-options.js';
import { PreparedStatements } from '../../src/database/prepared-statements.js';
import type { MediaFile } from '../../src/media/media-file.entity.js';
import { MediaFileSchema } from '../../src/media/media-file.schema.js';
import type { PageRequest } from '../../src/media/page-statements.js';
import { StorageQuota } from '../../src/quota/storage-quota.entity.js';
import { UserProfile } from '../../src/users/user-profile.entity.js';
import { ExplainingDatabase, type QueryPlan } from '../support/explaining-database.js';
import { insertManyIdempotencyKeys } from '../support/many-idempotency-keys.js';
import {
  FILES,
  HEAVY_USER,
  idOfUser,
  insertManyMediaFiles,
  LIGHT_USER,
} from '../support/many-media-files.js';
import {
  batchesOn,
  filesOn,
  keysOn,
  lifecycleOn,
  newClaim,
  newFile,
  reconcilerOn,
  ROUTE,
} from '../support/repositories-on.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const PAGE = 20;
/** What the sweeper takes on at once. */
const BATCH = 200;

describe(`the plans of the queries, at ${FILES} files of which one user has a fifth`, () => {
  const kept: string[] = [];
  let database: TestDatabase;
  let orm: MikroORM;
  let user: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    orm = await MikroORM.init({
      ...ormOptions(database.url, 2),
      entities: [UserProfile, StorageQuota, MediaFileSchema],
    });
    await migrate(orm, database.url);
    await insertManyMediaFiles(database);
    await insertManyIdempotencyKeys(database);
    user = await idOfUser(database, HEAVY_USER);
  });
  afterAll(async () => {
    await orm.close(true);
    await database.drop();
    const file = process.env['QUERY_PLANS_FILE'];
    if (file) {
      await writeFile(file, kept.join('\n'));
    }
  });

  /** Runs what a repository does, and gives the plans of its statements. */
  async function plansOf(
    title: string,
    work: (database: Database) => Promise<unknown>,
  ): Promise<QueryPlan[]> {
    const plans = await ExplainingDatabase.plansOf(orm, work);
    kept.push(`#### ${title}\n`, ...plans.map(({ text }) => `\`\`\`text\n${text}\n\`\`\`\n`));
    return plans;
  }

  async function planOf(title: string, work: (database: Database) => Promise<unknown>): Promise<QueryPlan> {
    const [plan, ...others] = await plansOf(title, work);
    if (plan === undefined || others.length > 0) {
      throw new Error(`One statement was expected, ${plan ? others.length + 1 : 0} ran`);
    }
    return plan;
  }

  async function rowWhere(condition: string): Promise<{ id: string; hash: string; direct: string }> {
    const [row] = await database.query<{ id: string; hash: string; direct: string }>(`
      select id, content_hash as hash, direct_hash as direct from media_files
      where user_id = '${user}' and ${condition} order by created_at desc limit 1`);
    if (row === undefined) {
      throw new Error('The made-up installation has no such row');
    }
    return row;
  }

  async function countWhere(condition: string): Promise<number> {
    const [row] = await database.query<{ count: string }>(
      `select count(*) from media_files where ${condition}`,
    );
    return Number(row?.count);
  }

  function page(request: Partial<PageRequest>): (on: Database) => Promise<MediaFile[]> {
    const whole = {
      userId: user,
      mediaType: undefined,
      status: undefined,
      after: null,
      limit: PAGE,
      ...request,
    };
    return (on) => filesOn(on).page(whole);
  }

  describe('listing', () => {
    it('reads the first page in the order of its index, and no row more than it shows and asks ahead', async () => {
      const plan = await planOf('List, first page', page({}));
      expect(inShort(plan)).toEqual(reading(['media_user_idx'], PAGE + 1));
    });

    it('reads a page far down the list at the price of the first one', async () => {
      const files = await page({ limit: 5_000 })(new Database(await PreparedStatements.on(orm, false)));
      const plan = await planOf('List, the page after 5,000 files', page({ after: files.at(-1) ?? null }));
      expect(inShort(plan)).toEqual(reading(['media_user_idx'], PAGE + 1));
    });

    it('reads files of a rare media type without passing by the others', async () => {
      const plan = await planOf('List, mediaType=video', page({ mediaType: 'video' }));
      expect(inShort(plan)).toEqual(reading(['media_type_idx'], PAGE + 1));
    });

    it('does not read through a whole list to find that there is no audio', async () => {
      const plan = await planOf('List, mediaType=audio', page({ mediaType: 'audio' }));
      expect(inShort(plan)).toEqual(reading(['media_type_idx'], 0));
    });

    it('reads failed files, which are few, without passing by the others', async () => {
      const plan = await planOf('List, status=failed', page({ status: 'failed' }));
      expect(inShort(plan)).toEqual(reading(['media_user_status_idx'], PAGE + 1));
    });

    it('reads failed files of one media type, passing by the failed ones of others at most', async () => {
      const filters = { status: 'failed', mediaType: 'image' } as const;
      const plan = await planOf('List, status=failed and mediaType=image', page(filters));
      expect(inShort(plan)).toEqual(reading(['media_user_status_idx'], plan.rowsReadOf('media_files')));
      expect(plan.rowsReadOf('media_files')).toBeLessThan(2 * PAGE);
    });
  });

  describe('requests', () => {
    const READY = "status = 'ready' and deleted_at is null";

    it('find a file by its id', async () => {
      const { id } = await rowWhere(READY);
      const plan = await planOf('One file', (on) => filesOn(on).find(id));
      expect(inShort(plan)).toEqual(reading(['media_files_pkey'], 1));
    });

    it('find a duplicate by its hash', async () => {
      const { hash } = await rowWhere(READY);
      const plan = await planOf('Duplicate by content hash', (on) => filesOn(on).findLiveByHash(user, hash));
      // Sorted are only the user's files with these bytes.
      expect(inShort(plan)).toEqual(reading(['media_hash_idx'], 1, 1));
    });

    it('find the direct upload of the same bytes', async () => {
      const { direct } = await rowWhere(`${READY} and direct_hash is not null`);
      const plan = await planOf('Direct upload of the same bytes', (on) =>
        filesOn(on).findDirect(user, direct),
      );
      expect(inShort(plan)).toEqual(reading(['media_files_direct_hash_key'], 1));
    });

    it('reserve, and insert a row, in one statement', async () => {
      const plan = await planOf('Upload request', (on) => filesOn(on).insertReserving(newFile(user)));
      // The ledger is looked at twice: to hold it, and to change it after the files. Sorted are only the files of the request.
      const indexes = ['media_hash_idx', 'storage_quotas_pkey', 'storage_quotas_pkey'];
      expect(inShort(plan)).toEqual(reading(indexes, 0, 1));
    });

    it('do the same by themselves if the ledger was taken, or the user is new', async () => {
      const newcomer = uuidv7();
      await database.query('insert into user_profiles (id, user_info_id) values ($1::uuid, $1::text)', [
        newcomer,
      ]);
      const plans = await plansOf('Upload request, the first of a user', (on) =>
        filesOn(on).insertReserving(newFile(newcomer)),
      );
      expect(plans.at(-1)).toMatchObject({ indexes: ['storage_quotas_pkey'] });
    });

    it('reserve, and insert a hundred rows, in one statement', async () => {
      const hundred = Array.from({ length: 100 }, () => newFile(user));
      const plan = await planOf('Batch of 100 upload requests', (on) =>
        batchesOn(on).insertReserving(user, hundred, null),
      );
      expect(inShort(plan)).toEqual(reading(['storage_quotas_pkey'], 0));
    });

    it('find the duplicates of a batch by their hashes', async () => {
      const rows = await database.query<{ hash: string }>(
        `select content_hash as hash from media_files where user_id = '${user}' and ${READY} limit 100`,
      );
      const hashes = rows.map(({ hash }) => hash);
      const plan = await planOf('Duplicates of a batch of 100', (on) =>
        filesOn(on).findLiveByHashes(user, hashes),
      );
      expect(inShort(plan)).toEqual(reading(['media_hash_idx'], 100, plan.sorts));
    });

    it('find the files of a batch that was cut off', async () => {
      const rows = await database.query<{ id: string }>(
        `select id from media_files where user_id = '${user}' limit 100`,
      );
      const plan = await planOf('Files of a batch of 100', (on) =>
        filesOn(on).findAll(rows.map(({ id }) => id)),
      );
      expect(inShort(plan)).toEqual(reading(['media_files_pkey'], 100));
    });

    it('look at a hundred files that are waited for, of which one has settled', async () => {
      const rows = await database.query<{ id: string }>(
        `(select id from media_files where user_id = '${user}' and status = 'pending' and deleted_at is null limit 99)
         union all (select id from media_files where user_id = '${user}' and ${READY} limit 1)`,
      );
      const plan = await planOf('A hundred files that are waited for', (on) =>
        filesOn(on).findSettled(rows.map(({ id }) => id)),
      );
      expect(rows).toHaveLength(100);
      expect(inShort(plan)).toEqual(reading(['media_files_pkey'], 100));
    });

    it('confirm, and settle the reservation, in one statement', async () => {
      const { id } = await rowWhere("status = 'pending' and upload_expires_at > now() + interval '1 min'");
      const plan = await planOf('Confirm', (on) => filesOn(on).confirm({ id, userId: user }, null, 30));
      expect(inShort(plan)).toEqual(
        reading(['media_files_pkey', 'storage_quotas_pkey', 'storage_quotas_pkey'], 1),
      );
    });

    it('find in one more statement that there is nothing to confirm any more', async () => {
      const { id } = await rowWhere(READY);
      const plans = await plansOf('Confirm, too late', (on) =>
        filesOn(on).confirm({ id, userId: user }, null, 30),
      );
      expect(plans.map(inShort)).toEqual([
        reading(['media_files_pkey', 'storage_quotas_pkey', 'storage_quotas_pkey'], 1),
        reading(['media_files_pkey', 'storage_quotas_pkey', 'storage_quotas_pkey'], 1),
      ]);
    });

    it('delete, and free what was used, in one statement', async () => {
      const { id } = await rowWhere(READY);
      const plan = await planOf('Delete', (on) => filesOn(on).delete(id, user, 30));
      expect(inShort(plan)).toEqual(
        reading(['media_files_pkey', 'storage_quotas_pkey', 'storage_quotas_pkey'], 1),
      );
    });
  });

  describe('requests with an Idempotency-Key', () => {
    it('take the key, insert a row with it, and keep the answer, each by primary keys alone', async () => {
      const plans = await plansOf('Idempotency-Key: take, insert, answer', async (on) => {
        const claim = await newClaim(on, user);
        await filesOn(on).insertReserving(newFile(user), claim);
        await keysOn(on).complete(claim, { status: 201, json: '{}' });
      });
      const keys = 'idempotency_keys_pkey';
      expect(plans.map(({ indexes }) => indexes)).toEqual([
        [keys],
        [keys, keys, 'storage_quotas_pkey'],
        [keys],
      ]);
      expect(plans.map((plan) => plan.fullScansOf('idempotency_keys'))).toEqual([0, 0, 0]);
    });

    it('replay an answer by its primary key', async () => {
      const [known] = await database.query<{ user_id: string; key: string; fingerprint: Buffer }>(
        "select * from idempotency_keys where created_at > now() - interval '1 hour' limit 1",
      );
      const plan = await planOf('Idempotency-Key: replay', (on) =>
        keysOn(on).claim(
          { userId: String(known?.user_id), route: ROUTE, key: String(known?.key) },
          known?.fingerprint ?? Buffer.alloc(32),
          uuidv7(),
        ),
      );
      expect(plan.indexes).toEqual(['idempotency_keys_pkey']);
      expect(plan.rowsReadOf('idempotency_keys')).toBe(1);
    });
  });

  describe('the sweeps', () => {
    // Whether the rows that are due come in order or are sorted is the planner's choice: it depends on how many are due.

    it('find uploads whose window has closed among open reservations only', async () => {
      const plan = await planOf('Sweep: expired uploads', (on) => lifecycleOn(on).findExpired(BATCH));
      expect(plan.indexes).toEqual(['media_reservation_idx']);
      const due = await countWhere('reservation_open and upload_expires_at <= now()');
      expect(plan.rowsReadOf('media_files')).toBeLessThanOrEqual(due);
    });

    it('take on a batch of due work, and read nothing that is not due', async () => {
      const plan = await planOf('Sweep: due work', (on) => lifecycleOn(on).claimDueWork(BATCH, 30));
      expect(plan.indexes).toEqual(['media_drive_idx', 'media_files_pkey']);
      // The due ones, to choose among them, and the chosen ones, to update them.
      const due = await countWhere('drive_after <= now()');
      expect(plan.rowsReadOf('media_files')).toBeLessThanOrEqual(due + BATCH);
    });

    it('find objects that a late writer may have left among rows that wait for that look', async () => {
      const plan = await planOf('Sweep: leftovers', (on) => lifecycleOn(on).findLeftovers(BATCH));
      expect(plan.indexes).toEqual(['media_leftovers_idx']);
      const due = await countWhere('leftovers_due_at <= now()');
      expect(plan.rowsReadOf('media_files')).toBeLessThanOrEqual(due);
    });

    it('forget a batch of the oldest answers, and read no others', async () => {
      const plan = await planOf('Sweep: answers older than a day', (on) => keysOn(on).removeOver(BATCH));
      expect(plan.indexes).toEqual(['idempotency_keys_created_idx', 'idempotency_keys_pkey']);
      // The due ones, and the same ones again, to delete them.
      expect(plan.rowsReadOf('idempotency_keys')).toBe(2 * BATCH);
    });

    it('make what an earlier process left undone due, from the rows that say so', async () => {
      const plan = await planOf('Start: make all due', (on) => lifecycleOn(on).makeAllDue());
      expect(plan.indexes).toEqual(['media_drive_idx']);
      expect(plan.rowsReadOf('media_files')).toBe(await countWhere('drive_after is not null'));
    });
  });

  describe('the quota reconciler', () => {
    it('compares all ledgers with all files in one pass over each', async () => {
      const plans = await plansOf('Reconcile: compare', (on) => reconcilerOn(on).findDrift());
      const plan = plans.at(-1);
      expect(plan?.fullScansOf('media_files')).toBe(1);
      expect(plan?.rowsReadOf('media_files')).toBe(FILES);
    });

    it('repairs one ledger without reading the files of other users', async () => {
      const light = await idOfUser(database, LIGHT_USER);
      const [lock, repair] = await plansOf('Reconcile: repair', (on) => reconcilerOn(on).repair(light));
      expect(lock?.fullScansOf('storage_quotas')).toBe(0);
      expect(repair?.fullScansOf('media_files')).toBe(0);
    });
  });
});

/** A good plan in short: only through these indexes, this many rows of `media_files`, and sorted by nobody. */
function reading(indexes: string[], rowsRead: number, sorts = 0) {
  return { indexes, rowsRead, fullScans: 0, sorts };
}

/** What plans are judged by. */
function inShort(plan: QueryPlan) {
  return {
    indexes: plan.indexes,
    rowsRead: plan.rowsReadOf('media_files'),
    fullScans: plan.fullScansOf('media_files') + plan.fullScansOf('storage_quotas'),
    sorts: plan.sorts,
  };
}
