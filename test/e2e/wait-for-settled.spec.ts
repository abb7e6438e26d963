import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { MAX_WAITERS, SettledFiles } from '../../src/media/settled-files.js';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';
import { expire, pendingFiles, untilWaiting, waitFor } from '../support/waiting.js';

const POOL = 3;
const MANY = 1_000;

describe('waiting for a file', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({
      DATABASE_POOL_SIZE: String(POOL),
      // What expires here, the test has asked for.
      SWEEP_INTERVAL_SECONDS: '3600',
    });
  });
  afterAll(async () => mediadock.close());

  /** Whom no worker is going to care for. */
  async function processingFile(subject: string): Promise<string> {
    const client = mediadock.as(subject);
    const { id } = await client.upload(await photo(40, 30), 'image/jpeg');
    await client.settled(id);
    await mediadock.database.query("update media_files set status = 'processing' where id = $1", [id]);
    return id;
  }

  it('is answered when the file is ready, also if it was not even confirmed', async () => {
    const alice = mediadock.as('alice');
    const { mediaFileId: id } = await alice.uploadUnconfirmed(await photo(300, 200), 'image/jpeg');
    const answer = waitFor(alice, id);
    await untilWaiting(mediadock, 1);
    await alice.confirm(id);
    const { status, body } = await answer;
    expect(status).toBe(200);
    expect(body).toEqual((await alice.get(id)).body);
    expect(body).toMatchObject({ id, status: 'ready', width: 300, height: 200 });
    await untilWaiting(mediadock, 0);
  });

  it('is answered at once when the file is ready already, and with the same', async () => {
    const alice = mediadock.as('alice');
    const { id } = await alice.upload(await photo(60, 40), 'image/jpeg');
    const ready = await alice.settled(id);
    expect(await waitFor(alice, id)).toMatchObject({ status: 200, body: ready });
  });

  it('is answered when the file fails', async () => {
    const alice = mediadock.as('alice');
    const id = await processingFile('alice');
    const answer = waitFor(alice, id);
    await untilWaiting(mediadock, 1);
    await mediadock.app.get(MediaLifecycleRepository, { strict: false }).markFailed(id, 'unreadable', 3600);
    expect(await answer).toMatchObject({
      status: 200,
      body: { status: 'failed', processingError: 'unreadable' },
    });
  });

  it('is a 404 as soon as the file is deleted, for everybody who waits for it', async () => {
    const alice = mediadock.as('alice');
    const id = await processingFile('alice');
    const answers = [1, 2, 3].map(() => waitFor<ProblemBody>(alice, id));
    await untilWaiting(mediadock, 3);
    expect((await alice.delete(id)).status).toBe(204);
    for (const { status, body } of await Promise.all(answers)) {
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
  });

  it('does not let wait for what is somebody else’s, unknown, or nobody’s', async () => {
    const id = await processingFile('alice');
    const answers = await Promise.all([
      waitFor<ProblemBody>(mediadock.as('mallory'), id),
      waitFor<ProblemBody>(mediadock.as('alice'), '01937d4e-0000-7000-8000-000000000000'),
      waitFor<ProblemBody>(mediadock.anonymous(), id),
    ]);
    expect(answers.map(({ status, body }) => `${status} ${body.code}`)).toEqual([
      '403 access_denied',
      '404 not_found',
      '401 unauthenticated',
    ]);
  });

  it('ends with the file as it is when the time is up', async () => {
    const id = await processingFile('alice');
    const answer = await waitFor(mediadock.as('alice'), id, 1);
    expect(answer).toMatchObject({ status: 200, body: { id, status: 'processing' } });
  });

  it('is measured apart, so that it does not spoil the figures of the requests that do not wait', async () => {
    const { body } = await mediadock.anonymous().send<string>('GET', '/metrics');
    const counts = [...body.matchAll(/^mediadock_http_request_duration_seconds_count\{.*route="([^"]+)"/gm)];
    const routes = counts.map(([, route]) => route);
    expect(routes).toContain('/v1/media/:mediaFileId');
    expect(routes).toContain('/v1/media/:mediaFileId (waiting)');
  });

  it.each([
    ['waitFor=failed', 'waitFor'],
    ['waitFor=', 'waitFor'],
    ['waitFor=ready&waitFor=ready', 'waitFor'],
    ['timeoutSeconds=10', 'waitFor'],
    ['waitFor=ready&timeoutSeconds=0', 'timeoutSeconds'],
    ['waitFor=ready&timeoutSeconds=61', 'timeoutSeconds'],
    ['waitFor=ready&timeoutSeconds=1.5', 'timeoutSeconds'],
    ['waitFor=ready&timeoutSeconds=', 'timeoutSeconds'],
    ['waitFor=ready&timeout=10', 'timeout'],
    ['wait=ready', 'wait'],
  ])('refuses ?%s, and says that %s is wrong', async (query, field) => {
    const path = `/v1/media/01937d4e-0000-7000-8000-000000000000?${query}`;
    const { status, body } = await mediadock.as('alice').send('GET', path);
    expect([status, body.code, body.errors?.map((error) => error.field)]).toEqual([
      400,
      'validation_failed',
      [field],
    ]);
  });

  it('leaves nobody behind when the client goes away', async () => {
    const id = await processingFile('alice');
    const leaving = new AbortController();
    const path = `/v1/media/${id}?waitFor=ready&timeoutSeconds=60`;
    const answer = mediadock.as('alice').send('GET', path, { signal: leaving.signal });
    await untilWaiting(mediadock, 1);
    leaving.abort();
    await expect(answer).rejects.toThrow(/abort/);
    await untilWaiting(mediadock, 0);
  });

  it('leaves nobody behind either when that client had sent a body, which nobody reads', async () => {
    const id = await processingFile('alice');
    const { hostname, port } = new URL(mediadock.baseUrl);
    const body = Buffer.alloc(200_000);
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /v1/media/${id}?waitFor=ready&timeoutSeconds=60 HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${tokenFor('alice')}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    await untilWaiting(mediadock, 1);
    socket.destroy();
    await expect(untilWaiting(mediadock, 0)).resolves.toBeUndefined();
  });

  it('misses no file that settles at the very moment at which it is asked for', async () => {
    const alice = mediadock.as('alice');
    const ids = await pendingFiles(alice, 100);
    const answers = ids.map((id) => waitFor(alice, id));
    await expire(mediadock, ids);
    for (const { body } of await Promise.all(answers)) {
      expect(body).toMatchObject({ status: 'failed', processingError: 'upload_expired' });
    }
  });

  it(`is for ${MANY} at once on the connections that are there, and in nobody's way`, async () => {
    const alice = mediadock.as('alice');
    const ids = await pendingFiles(alice, MANY);
    const answers = ids.map((id) => waitFor(alice, id, 60));
    await untilWaiting(mediadock, MANY);

    expect((await alice.get(ids[0] ?? '')).body).toMatchObject({ status: 'pending' });
    expect((await alice.list({ status: 'pending' })).body.items).toHaveLength(20);
    const { id } = await alice.upload(await photo(50, 50), 'image/jpeg');
    expect((await waitFor(alice, id)).body).toMatchObject({ status: 'ready' });
    const connections = await mediadock.database.query<{ application_name: string }>(
      "select application_name from pg_stat_activity where datname = current_database() and application_name like 'mediadock%'",
    );
    const names = connections.map((connection) => connection.application_name);
    expect(names.filter((name) => name === 'mediadock-listen')).toHaveLength(1);
    expect(names.filter((name) => name === 'mediadock').length).toBeLessThanOrEqual(POOL);

    await expire(mediadock, ids);
    const settled = await Promise.all(answers);
    expect(settled.map(({ body }) => [body.id, body.status])).toEqual(ids.map((one) => [one, 'failed']));
    await untilWaiting(mediadock, 0);
  });

  it('is not for more than a process can bear: above that, the answer is the file as it is', async () => {
    const id = await processingFile('alice');
    const file = await mediadock.app.get(MediaFilesRepository, { strict: false }).find(id);
    if (file === null) {
      throw new Error('It was made a moment ago');
    }
    const leaving = new AbortController();
    const settledFiles = mediadock.app.get(SettledFiles, { strict: false });
    const others = Array.from({ length: MAX_WAITERS }, () =>
      settledFiles.whenSettled(id, async () => file, { seconds: 60, gone: leaving.signal }),
    );
    try {
      const answer = await waitFor(mediadock.as('alice'), id, 60);
      expect(answer).toMatchObject({ status: 200, body: { id, status: 'processing' } });
    } finally {
      leaving.abort();
    }
    expect(new Set(await Promise.all(others))).toEqual(new Set([file]));
  });
});
