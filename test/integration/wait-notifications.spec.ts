import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../src/common/free-port.js';
import { Database } from '../../src/database/database.js';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { requireOwn } from '../../src/media/ownership.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { SettledFiles } from '../../src/media/settled-files.js';
import { SETTLED_CHANNEL } from '../../src/media/settled-notification.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { filesOn } from '../support/repositories-on.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { expire, pendingFiles, untilWaiting, waitFor } from '../support/waiting.js';

/** Hears all that is said, in its order. */
class Listener {
  private readonly heard: string[] = [];

  private constructor(private readonly client: Client) {
    client.on('notification', ({ payload = '' }) => this.heard.push(payload));
  }

  static async on({ url }: TestDatabase): Promise<Listener> {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`listen ${SETTLED_CHANNEL}`);
    return new Listener(client);
  }

  /** What was heard until now. */
  async end(): Promise<string[]> {
    await this.client.query('select pg_notify($1, $2)', [SETTLED_CHANNEL, 'the end']);
    await until(async () => (this.heard.includes('the end') ? true : null), 'the last one');
    await this.client.end();
    return this.heard.slice(0, this.heard.indexOf('the end'));
  }
}

const EXPIRED = { status: 200, body: { status: 'failed', processingError: 'upload_expired' } };

describe('the notifications that requests wait for', () => {
  let mediadock: TestApp;
  /** On the same database and storage. */
  let replica: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    replica = await startTestApp({
      SWEEP_INTERVAL_SECONDS: '3600',
      DATABASE_URL: mediadock.database.url,
      DATA_DIR: mediadock.dataDir,
    });
  });
  afterAll(async () => {
    await replica.close();
    await mediadock.close();
  });

  const listeners = async () =>
    mediadock.database.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and application_name = 'mediadock-listen'",
    );

  it('need no connection as long as nobody has waited', async () => {
    const alice = mediadock.as('alice');
    const { id } = await alice.upload(await photo(40, 30), 'image/jpeg');
    await alice.settled(id);
    expect(await listeners()).toEqual([]);
  });

  it('come from every process: a job on one wakes who waits at another', async () => {
    const { mediaFileId: id } = await mediadock
      .as('alice')
      .uploadUnconfirmed(await photo(50, 40), 'image/jpeg');
    const here = waitFor(mediadock.as('alice'), id);
    const there = waitFor(replica.as('alice'), id);
    await Promise.all([untilWaiting(mediadock, 1), untilWaiting(replica, 1)]);
    await replica.as('alice').confirm(id);
    const answers = await Promise.all([here, there]);
    expect(answers.map(({ body }) => body.status)).toEqual(['ready', 'ready']);
    expect(await listeners()).toHaveLength(2);
  });

  it('wake those alone whose file it is', async () => {
    const alice = mediadock.as('alice');
    const files = mediadock.app.get(MediaFilesRepository, { strict: false });
    const look = vi.spyOn(files, 'findSettled');
    const [other = '', ...ids] = await pendingFiles(alice, 6);
    const waitsOn = waitFor(alice, other);
    await untilWaiting(mediadock, 1);
    for (const id of ids) {
      const answer = waitFor(alice, id);
      await untilWaiting(mediadock, 2);
      await expire(mediadock, [id]);
      expect(await answer).toMatchObject(EXPIRED);
    }
    // Looked at by the way, a file would come with the other one.
    expect(look.mock.calls.filter(([asked]) => asked.length === 1 && asked[0] !== other)).not.toEqual([]);
    await alice.delete(other);
    expect((await waitsOn).status).toBe(404);
  });

  it('are not missed by whoever has looked, and is about to wait', async () => {
    const [id = ''] = await pendingFiles(mediadock.as('alice'), 1);
    const files = mediadock.app.get(MediaFilesRepository, { strict: false });
    const woken = vi.spyOn(files, 'findSettled');
    let looks = 0;
    const look = async () => {
      looks += 1;
      const file = requireOwn(await files.find(id), (await mediadock.as('alice').get(id)).body.userId);
      await expire(mediadock, [id]);
      await until(
        async () => (woken.mock.calls.some(([ids]) => ids.includes(id)) ? true : null),
        'the waking',
      );
      return file;
    };
    const patience = { seconds: 60, gone: new AbortController().signal };
    const file = await mediadock.app.get(SettledFiles, { strict: false }).whenSettled(id, look, patience);
    expect(file).toMatchObject({ id, status: 'failed' });
    expect(looks).toBe(1);
  });

  it('are given once for each change that is committed, and never for what changes nothing', async () => {
    const alice = mediadock.as('alice');
    const lifecycle = mediadock.app.get(MediaLifecycleRepository, { strict: false });
    const heard = await Listener.on(mediadock.database);
    const [expired = ''] = await pendingFiles(alice, 1);
    expect(await lifecycle.markExpired(expired)).toBe(false);
    await expire(mediadock, [expired, expired]);
    const { id: ready } = await alice.upload(await photo(41, 31), 'image/jpeg');
    await alice.settled(ready);
    expect(await lifecycle.markFailed(ready, 'unreadable', 60)).toBe(false);
    await mediadock.database.query("update media_files set status = 'processing' where id = $1", [ready]);
    expect(await lifecycle.markFailed(ready, 'unreadable', 60)).toBe(true);
    expect((await mediadock.as('mallory').delete(ready)).status).toBe(403);
    expect((await alice.delete(ready)).status).toBe(204);
    expect((await alice.delete(ready)).status).toBe(404);
    const undone = mediadock.app.get(Database, { strict: false }).transaction(async (transaction) => {
      expect(
        await filesOn(transaction).delete(expired, (await alice.get(expired)).body.userId, 60),
      ).not.toBeNull();
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await heard.end()).toEqual([expired, ready, ready, ready]);
  });

  it('come again when their connection was cut, to whoever was waiting, and to the next', async () => {
    const [cut = '', next = ''] = await pendingFiles(mediadock.as('alice'), 2);
    const answer = waitFor(mediadock.as('alice'), cut);
    await untilWaiting(mediadock, 1);
    const before = await listeners();
    await mediadock.database.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [
      before.map(({ pid }) => pid),
    ]);
    await expire(mediadock, [cut]);
    expect(await answer).toMatchObject(EXPIRED);

    const again = waitFor(mediadock.as('alice'), next);
    await until(async () => {
      const now = await listeners();
      return now.some(({ pid }) => before.every((one) => one.pid !== pid)) ? true : null;
    }, 'another connection');
    await expire(mediadock, [next]);
    expect(await again).toMatchObject(EXPIRED);
  });

  it('are not needed to be answered when the process is told to end: the file comes as it is', async () => {
    const ids = await pendingFiles(mediadock.as('alice'), 50);
    // Longer than this test has time: who is not answered by the end of the process comes too late.
    const answers = ids.map((id) => waitFor(mediadock.as('alice'), id, 60));
    await untilWaiting(mediadock, ids.length);
    mediadock = await mediadock.restart();
    for (const { status, body } of await Promise.all(answers)) {
      expect([status, body.status]).toEqual([200, 'pending']);
    }
    await until(async () => ((await listeners()).length <= 1 ? true : null), 'its connection to be closed');
  });
});

describe('waiting without notifications', () => {
  let database: TestDatabase;
  let direct: TcpProxy;
  let mediadock: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    const way = await TcpProxy.before(database.url);
    direct = way.proxy;
    mediadock = await startTestApp({
      SWEEP_INTERVAL_SECONDS: '3600',
      DATABASE_URL: database.url,
      DATABASE_DIRECT_URL: way.url,
    });
  });
  afterAll(async () => {
    await mediadock.close();
    await direct.close();
    await database.drop();
  });

  /** A file of alice's that somebody waits for, on a connection that is up. */
  async function waitedFor(): Promise<{ id: string; answer: ReturnType<typeof waitFor> }> {
    const [id = ''] = await pendingFiles(mediadock.as('alice'), 1);
    const answer = waitFor(mediadock.as('alice'), id);
    await untilWaiting(mediadock, 1);
    await until(async () => {
      const rows = await database.query(
        "select 1 from pg_stat_activity where datname = current_database() and application_name = 'mediadock-listen' and query like 'listen%' and state = 'idle'",
      );
      return rows.length > 0 ? true : null;
    }, 'the connection to listen');
    return { id, answer };
  }

  it('goes on when their connection has died without anybody being told', async () => {
    const { id, answer } = await waitedFor();
    direct.swallow();
    await expire(mediadock, [id], database);
    expect(await answer).toMatchObject(EXPIRED);
  });

  it('goes on when their connection cannot be opened again', async () => {
    const closed = await freePort();
    direct.retarget(closed);
    direct.cut();
    const [id = ''] = await pendingFiles(mediadock.as('alice'), 1);
    const answer = waitFor(mediadock.as('alice'), id);
    await untilWaiting(mediadock, 1);
    await expire(mediadock, [id], database);
    expect(await answer).toMatchObject(EXPIRED);
  });
});
