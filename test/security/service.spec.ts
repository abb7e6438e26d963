import { mkdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sweeper } from '../../src/processing/sweeper.js';
import { derivativeKey } from '../../src/storage/object-key.js';
import { ObjectStorage } from '../../src/storage/object-storage.js';
import { ApiClient, until } from '../support/api-client.js';
import { filesBelow } from '../support/files-below.js';
import { Flood, MEBIBYTE, SlowClients } from '../support/greedy-clients.js';
import { photo } from '../support/images.js';
import { Installation, type ServerProcess } from '../support/installation.js';
import { craftToken, hmac } from '../support/openapi-jwt.js';
import { refusalOf } from '../support/openapi-problem.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startRedis } from '../support/redis.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';

const JPEG = 'image/jpeg';

let mediadock: TestApp;
let slowClients: SlowClients;

beforeAll(async () => {
  // Its own sweeps are far apart: what happens here, a test has asked for.
  mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
  slowClients = new SlowClients(mediadock.config.http.port);
});
afterAll(async () => {
  slowClients.close();
  await mediadock.close();
});

async function objectsOf(id: string): Promise<string[]> {
  return (await mediadock.stack.objects()).filter((path) => path.includes(id));
}

/** Lets the time of a file come, and sweeps. */
async function sweep(id: string, column: 'upload_expires_at' | 'leftovers_due_at'): Promise<void> {
  const past = `update media_files set ${column} = now() - interval '1 second' where id = $1`;
  await mediadock.database.query(past, [id]);
  await mediadock.app.get(Sweeper, { strict: false }).sweep();
}

async function jobsDone(client: ApiClient): Promise<number> {
  const { body } = await client.send<string>('GET', '/metrics');
  const line = /^mediadock_job_duration_seconds_count\{job="generate_thumbnails",outcome="done"\} (\d+)$/m;
  return Number(line.exec(body)?.[1] ?? 0);
}

describe('18: queue down at confirm: request persists, work happens later', () => {
  it('answers as always while Redis is dead, and is ready once it is back', async () => {
    const redis = await startRedis({ own: true });
    const app = await startTestApp({ REDIS_URL: redis.url, SWEEP_INTERVAL_SECONDS: '1' });
    try {
      const alice = app.as('alice');
      const { mediaFileId } = await alice.uploadUnconfirmed(await photo(60, 40), JPEG);
      await redis.stop();
      expect(await alice.confirm(mediaFileId)).toMatchObject({ status: 200, body: { status: 'processing' } });
      const rows = await app.database.query('select status, reservation_open from media_files');
      expect(rows).toEqual([{ status: 'processing', reservation_open: false }]);
      await redis.start();
      expect((await alice.settled(mediaFileId)).status).toBe('ready');
    } finally {
      await app.close();
      await redis.close();
    }
  }, 60_000);
});

describe('19: worker killed mid-job: exactly one result', () => {
  it('finishes each file once, with one set of objects and one entry in the ledger', async () => {
    const database = await createTestDatabase();
    const installation = await Installation.create({
      NODE_ENV: 'test',
      DATABASE_URL: database.url,
      JWT_SECRET: TEST_SECRET,
      WORKER_CONCURRENCY: '2',
    });
    let service = await installation.start();
    try {
      const alice = new ApiClient(installation.baseUrl, tokenFor('alice'));
      const large = await photo(4000, 3000);
      const files = await Promise.all([1, 2, 3, 4].map(() => alice.upload(large, JPEG)));
      await until(async () => {
        const { body } = await alice.send<string>('GET', '/metrics');
        return /^mediadock_queue_jobs\{state="active"\} [12]$/m.test(body) ? true : null;
      }, 'jobs to be at work');
      await service.end('SIGKILL');
      const cut = await database.query("select 1 from media_files where status = 'processing'");
      expect(cut.length).toBeGreaterThan(0);

      service = await installation.start();
      const settled = await Promise.all(files.map(({ id }) => alice.settled(id)));
      expect(settled.map(({ status }) => status)).toEqual(files.map(() => 'ready'));
      const media = await filesBelow(join(installation.dataDir, 'objects', 'media'));
      const objects = media.filter((path) => !path.endsWith('.json'));
      expect(objects).toHaveLength(3 * files.length);
      // Each has its label; there may be one more, of an object that the kill has kept from coming.
      const labels = media.filter((path) => path.endsWith('.json'));
      expect(objects.filter((path) => !labels.some((label) => label.startsWith(`${path}.`)))).toEqual([]);
      expect(labels.length).toBeGreaterThanOrEqual(3 * files.length);
      expect(await alice.quota()).toMatchObject({ usedBytes: 4 * large.length, reservedBytes: 0 });
      // Counted a moment after the file is ready.
      await until(async () => ((await jobsDone(alice)) >= cut.length ? true : null), 'the count of jobs');
      expect(await jobsDone(alice)).toBe(cut.length);
    } finally {
      await service.end('SIGTERM');
      await installation.remove();
      await database.drop();
    }
  }, 60_000);
});

describe('21: abandoned uploads and partial derivatives swept', () => {
  it('removes what nobody confirmed and gives back what it reserved, and no sooner', async () => {
    const mallory = mediadock.as('hoarder');
    const bytes = await photo(50, 40);
    const { mediaFileId } = await mallory.uploadUnconfirmed(bytes, JPEG);
    await mediadock.app.get(Sweeper, { strict: false }).sweep();
    expect(await mallory.quota()).toMatchObject({ reservedBytes: bytes.length });
    await sweep(mediaFileId, 'upload_expires_at');
    expect(await objectsOf(mediaFileId)).toEqual([]);
    expect(await mallory.quota()).toMatchObject({ reservedBytes: 0 });
    expect(refusalOf(await mallory.confirm<unknown>(mediaFileId))).toBe('410 upload_expired');
  });

  it('removes a derivative that came after its file had gone', async () => {
    const alice = mediadock.as('alice-21');
    const file = await alice.settled((await alice.upload(await photo(40, 30), JPEG)).id);
    expect((await alice.delete(file.id)).status).toBe(204);
    await until(async () => ((await objectsOf(file.id)).length === 0 ? true : null), 'its bytes to go');
    const storage = mediadock.app.get(ObjectStorage, { strict: false });
    const late = { contentType: 'image/webp', originalFileName: 'late.webp' };
    await storage.put(derivativeKey(file.storageKey, 'medium'), Buffer.from('half a worker'), late);
    await until(async () => {
      const purged = 'select 1 from media_files where id = $1 and purged_at is not null';
      return (await mediadock.database.query(purged, [file.id])).length === 1 ? true : null;
    }, 'the purge to be noted');
    await sweep(file.id, 'leftovers_due_at');
    expect(await objectsOf(file.id)).toEqual([]);
  });

  it('keeps nothing of a PUT that breaks off, nor of one whose server died', async () => {
    const mallory = mediadock.as('hoarder');
    const { body: ticket } = await mallory.requestUpload({ fileName: 'a', mimeType: JPEG, fileSize: 90_000 });
    const temporaries = join(mediadock.dataDir, 'objects', 'tmp');
    const { pathname, search } = new URL(ticket.uploadUrl);
    const headers = Object.entries({ host: 'localhost', ...ticket.uploadHeaders, 'content-length': '90000' });
    const socket = connect(mediadock.config.http.port, '127.0.0.1').on('error', () => {});
    socket.write(
      `PUT ${pathname}${search} HTTP/1.1\r\n${headers.map((pair) => pair.join(': ')).join('\r\n')}\r\n\r\n`,
    );
    socket.write(Buffer.alloc(50_000));
    await until(async () => ((await filesBelow(temporaries)).length > 0 ? true : null), 'half an upload');
    socket.destroy();
    await until(async () => ((await filesBelow(temporaries)).length === 0 ? true : null), 'it to be removed');
    expect(await objectsOf(ticket.mediaFileId)).toEqual([]);

    await mkdir(temporaries, { recursive: true });
    await writeFile(join(temporaries, 'of a process that died'), 'half');
    const storage = mediadock.app.get(ObjectStorage, { strict: false });
    await storage.removeAbandoned(new Date(Date.now() + 60_000));
    expect(await filesBelow(temporaries)).toEqual([]);
  });
});

describe('24: secrets never defaulted in production', () => {
  const PRODUCTION = { NODE_ENV: 'production', HOST: '127.0.0.1' };
  const PARTS = {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    REDIS_URL: 'redis://127.0.0.1:1',
    STORAGE_DRIVER: 'gcs',
    STORAGE_BUCKET: 'verified',
    STORAGE_UPLOAD_BUCKET: 'raw',
  };
  let database: TestDatabase;
  const installations: Installation[] = [];
  let service: ServerProcess | undefined;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await service?.end('SIGTERM');
    await Promise.all(installations.map((installation) => installation.remove()));
    await database.drop();
  });

  async function install(environment: Record<string, string>): Promise<Installation> {
    const installation = await Installation.create({ ...PRODUCTION, ...environment });
    installations.push(installation);
    return installation;
  }

  it('starts with none that is missing, empty or easy to guess', async () => {
    const refusals: [environment: Record<string, string>, complaint: string][] = [
      [{}, 'nobody could be authenticated'],
      [{ ...PARTS, JWT_SECRET: ' ' }, 'nobody could be authenticated'],
      [{ ...PARTS, JWT_SECRET: 'secret' }, 'JWT_SECRET must have at least 32 bytes'],
      [{ ALLOW_EMBEDDED: 'true', JWT_SECRET: 'secret' }, 'JWT_SECRET must have at least 32 bytes'],
      [{ ...PARTS, QUEUE_DASHBOARD_USER: 'admin' }, 'QUEUE_DASHBOARD_PASSWORD'],
    ];
    await Promise.all(
      refusals.map(async ([environment, complaint]) => {
        const refused = (await install(environment)).launch();
        expect(await refused.ended).toBe(1);
        expect(refused.output).toContain(complaint);
      }),
    );
  });

  it('makes a key of its own where that is asked for: random, another one each time, and for its owner only', async () => {
    const embedded = { DATABASE_URL: database.url, ALLOW_EMBEDDED: 'true' };
    const [own, other] = [await install(embedded), await install(embedded)];
    service = await own.start();
    const alice = await own.as('alice');
    expect((await alice.send('GET', '/v1/quota')).status).toBe(200);
    const { stdout: stranger } = await other.command('token', 'alice');
    const guesses = ['', 'secret', 'changeme', 'mediadock', 'jwt-secret', TEST_SECRET, own.dataDir];
    const claims = { sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 };
    const tokens = guesses.map((guess) => craftToken({ alg: 'HS256', typ: 'JWT' }, claims, hmac(guess)));
    for (const token of [stranger.trim(), ...tokens]) {
      expect((await new ApiClient(own.baseUrl, token).send('GET', '/v1/quota')).status).toBe(401);
    }
    for (const name of ['jwt-secret', 'storage-signing-key']) {
      const file = await stat(join(own.dataDir, 'secrets', name));
      expect([file.mode & 0o777, file.size]).toEqual([0o600, 43]);
    }
    expect((await stat(join(own.dataDir, 'secrets'))).mode & 0o777).toBe(0o700);
    expect((await fetch(`${own.baseUrl}/admin/queues`)).status).toBe(404);
  }, 60_000);
});

/** A request for the quota, with these headers and no other than it needs. */
function head(...lines: readonly string[]): string {
  return ['GET /v1/quota HTTP/1.1', 'Host: localhost', 'Connection: close', ...lines, '', ''].join('\r\n');
}

function manyHeaders(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `X-${index}: a`);
}

describe('26: body size, header count, slow clients bounded', () => {
  const FLOOD_MEBIBYTES = 256;
  const token = `Authorization: Bearer ${tokenFor('mallory')}`;

  it.each([
    ['/v1/media/uploads', 'application/json', '{"fileName":"', '400 validation_failed'],
    [
      '/v1/media',
      'multipart/form-data; boundary=B',
      `--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: ${JPEG}\r\n\r\n`,
      '413 file_too_large',
    ],
  ])('keeps nothing of a body that is too long for %s', async (path, type, start, refusal) => {
    const before = process.memoryUsage().rss;
    const answer = await mediadock.as('mallory').send('POST', path, {
      headers: { 'content-type': type },
      body: new Flood(start, FLOOD_MEBIBYTES).stream,
      duplex: 'half',
    });
    expect(refusalOf(answer)).toBe(refusal);
    expect((process.memoryUsage().rss - before) / MEBIBYTE).toBeLessThan(FLOOD_MEBIBYTES * 0.75);
  });

  it('ends a PUT at the first byte too many, though its sender goes on', async () => {
    const request = { fileName: 'a', mimeType: JPEG, fileSize: 1000 };
    const { body: ticket } = await mediadock.as('mallory').requestUpload(request);
    const body = new Flood('', FLOOD_MEBIBYTES);
    const init = { method: 'PUT', headers: ticket.uploadHeaders, body: body.stream, duplex: 'half' as const };
    // Whether its sender sees the answer before the connection is cut, is up to the sender.
    expect(await fetch(ticket.uploadUrl, init).catch(() => ({ status: 400 }))).toMatchObject({ status: 400 });
    expect(body.sentMebibytes).toBeLessThan(FLOOD_MEBIBYTES / 2);
    expect((await mediadock.stack.objects()).join()).not.toContain(ticket.mediaFileId);
  });

  it('takes 64 headers and 16 kB of them, and no more', async () => {
    expect((await rawRequest(mediadock.baseUrl, head(token, ...manyHeaders(60)))).status).toBe(200);
    for (const tooMuch of [manyHeaders(70), [`X-Large: ${'a'.repeat(17_000)}`]]) {
      const answer = await rawRequest(mediadock.baseUrl, head(token, ...tooMuch));
      expect(refusalOf(answer)).toBe('400 validation_failed');
    }
  });

  it('cuts off who says nothing, stops in the middle of a line, or sends a byte a second', async () => {
    await slowClients.untilCut();
    // A body has five minutes, which is more than a test should take.
    expect(mediadock.app.getHttpServer()).toMatchObject({ requestTimeout: 300_000 });
    expect((await mediadock.as('alice').send('GET', '/v1/quota')).status).toBe(200);
  }, 70_000);
});
