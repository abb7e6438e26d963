import { readFile } from 'node:fs/promises';
import { parse as parseDisposition } from 'content-disposition';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RawEnvironment } from '../../src/config/parse-environment.js';
import { wantedBuckets } from '../../src/storage/gcs/wanted-buckets.js';
import { type Answer, ApiClient } from '../support/api-client.js';
import { startGcs } from '../support/gcs/start-gcs.js';
import { photo } from '../support/images.js';
import { Installation, type ServerProcess } from '../support/installation.js';
import { mediaTypeOf, PROBLEM_JSON } from '../support/openapi-problem.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startRedis } from '../support/redis.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';

const JPEG = 'image/jpeg';
const JSON_TYPE = { 'content-type': 'application/json' };
const BUCKETS = { STORAGE_BUCKET: 'bucket-of-verified', STORAGE_UPLOAD_BUCKET: 'bucket-of-raw' };

let mediadock: TestApp;

beforeAll(async () => {
  mediadock = await startTestApp(BUCKETS);
});
afterAll(async () => mediadock.close());

/** The names of those secrets that a log has in it. */
function leakedInto(log: string, secrets: Record<string, string | null | undefined>): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) => {
    if (!secret || secret.length < 6) {
      throw new Error(`${name} is nothing that could be looked for`);
    }
    return log.includes(secret) ? [name] : [];
  });
}

describe("11: the client's name never reaches a key, log or header raw; Content-Disposition per RFC 6266", () => {
  const NAMES = [
    'a"; filename="evil.html',
    'a\r\nSet-Cookie: session=evil; x=.jpg',
    'a\r\n\r\n<script>alert(1)</script>.jpg',
    "a'; filename*=UTF-8''evil.html",
    'gpj.\u202Egnp.exe',
    '写真 📷 été.jpg',
    `${'n'.repeat(2000)}.jpg`,
  ];

  /** A plain name, and for what is not ASCII another one after RFC 8187; nothing else. */
  const DISPOSITION = /^inline; filename=(?:"[^"\\]*"|[\w.%-]+)(?:; filename\*=UTF-8''[\w.%!~*()-]+)?$/;

  it('is in one header, as one value, without what could end it or turn it round', async () => {
    const mallory = mediadock.as('mallory-11');
    for (const fileName of NAMES) {
      const file = await mallory.upload(await photo(20, 20), JPEG, fileName);
      const ready = await mallory.settled(file.id);
      expect(ready.originalFileName).not.toMatch(/["\\/\p{Cc}\p{Cf}]/u);
      expect(Buffer.byteLength(ready.originalFileName)).toBeLessThanOrEqual(255);
      const { originalFileName: shown } = ready;
      for (const [url, expected] of [
        [ready.publicUrl, shown],
        [ready.thumbnailUrl, `${shown.replace(/\.[^.]{1,8}$/, '')}.webp`],
      ]) {
        const { headers } = await fetch(String(url));
        const disposition = headers.get('content-disposition') ?? '';
        expect(disposition).toMatch(DISPOSITION);
        expect(parseDisposition(disposition)).toMatchObject({
          type: 'inline',
          parameters: { filename: expected },
        });
        expect(headers.get('set-cookie')).toBeNull();
      }
      expect(JSON.stringify([ready.storageKey, ready.publicUrl])).not.toMatch(/evil|script|gpj|nnn|写|%E5/);
    }
  });
});

/**
 * Both stacks as processes of their own that say all they can, and everything that could make them say too much:
 * good and bad tokens in each place, names, signatures, and parts that fail.
 */
describe('14: URLs and tokens never logged', () => {
  const NAME = 'holiday-with-grandma.jpg';
  const REDIS_PASSWORD = 'a-password-of-redis';
  const [token, expired] = [tokenFor('alice'), tokenFor('alice', { expiresIn: -1 })];
  const always = {
    token,
    tokenSignature: token.split('.')[2],
    expired: expired.split('.')[2],
    jwtSecret: TEST_SECRET,
    fileName: NAME.slice(0, -4),
  };
  let database: TestDatabase;
  let installation: Installation;
  let service: ServerProcess | undefined;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await service?.end('SIGTERM');
    await installation.remove();
  });
  afterAll(async () => database.drop());

  async function start(environment: RawEnvironment): Promise<ApiClient> {
    installation = await Installation.create({
      NODE_ENV: 'test',
      LOG_LEVEL: 'trace',
      DATABASE_URL: database.url,
      JWT_SECRET: TEST_SECRET,
      STORAGE_ACCESS: 'private',
      ...environment,
    });
    service = await installation.start();
    return new ApiClient(installation.baseUrl, token);
  }

  /** What a client does, and what it may get wrong. */
  async function provoke(alice: ApiClient): Promise<{ uploadUrl: string; publicUrl: string }> {
    const bytes = await photo(120, 80);
    const ticket = await alice.uploadUnconfirmed(bytes, JPEG, NAME);
    await alice.put(ticket, bytes);
    await fetch(ticket.uploadUrl, { method: 'PUT', body: 'without its headers' });
    await alice.confirm(ticket.mediaFileId);
    const ready = await alice.settled(ticket.mediaFileId);
    expect((await fetch(String(ready.publicUrl))).status).toBe(200);
    await fetch(String(ready.publicUrl).replace('/users/', '/losers/'));
    await alice.send('GET', `/v1/quota?access_token=${token}`);
    await new ApiClient(installation.baseUrl, expired).send('GET', '/v1/quota');
    await alice.uploadDirect(Buffer.from(NAME), JPEG, NAME);
    await alice.send('POST', '/v1/media/uploads', { body: `{"fileName":"${NAME}`, headers: JSON_TYPE });
    await database.query('alter table media_files rename to media_files_away');
    const request = { fileName: NAME, mimeType: JPEG, fileSize: 9 };
    expect((await alice.requestUpload({ ...request, contentHash: 'a'.repeat(64) })).status).toBe(500);
    expect((await alice.requestUpload(request)).status).toBe(500);
    await database.query('alter table media_files_away rename to media_files');
    return { uploadUrl: ticket.uploadUrl, publicUrl: String(ready.publicUrl) };
  }

  it('on the embedded parts: neither those that came with requests nor those that were given out', async () => {
    const alice = await start({});
    const { uploadUrl, publicUrl } = await provoke(alice);
    await service?.end('SIGTERM');
    const log = service?.output ?? '';
    // It has something to say, and says it.
    expect(log).toContain(`"path":"${new URL(uploadUrl).pathname}"`);
    expect(log).toContain('"status":500');
    const secrets = {
      ...always,
      uploadQuery: new URL(uploadUrl).search,
      uploadSignature: new URL(uploadUrl).searchParams.get('signature'),
      readSignature: new URL(publicUrl).searchParams.get('signature'),
      databasePassword: new URL(database.url).password,
    };
    expect(leakedInto(log, secrets)).toEqual([]);
  });

  it('on PostgreSQL, Redis and Cloud Storage: nor when these fail', async () => {
    const gcs = await startGcs({ access: 'private' });
    const redis = await startRedis({ own: true, password: REDIS_PASSWORD });
    try {
      const alice = await start({ ...gcs.environment, REDIS_URL: redis.url, SWEEP_INTERVAL_SECONDS: '1' });
      const { uploadUrl, publicUrl } = await provoke(alice);
      const waiting = await alice.uploadUnconfirmed(await photo(30, 20), JPEG, NAME);
      await gcs.down();
      await redis.stop();
      expect((await alice.confirm(waiting.mediaFileId)).status).toBe(503);
      await service?.end('SIGTERM');
      const log = service?.output ?? '';
      expect(log).toContain('"status":503');
      const key: { private_key: string } = JSON.parse(await readFile(gcs.credentialsFile, 'utf8'));
      const secrets = {
        ...always,
        uploadQuery: new URL(uploadUrl).search,
        uploadSignature: new URL(uploadUrl).searchParams.get('X-Goog-Signature'),
        readSignature: new URL(publicUrl).searchParams.get('X-Goog-Signature'),
        redisPassword: REDIS_PASSWORD,
        databasePassword: new URL(database.url).password,
        privateKey: key.private_key.split('\n')[1],
      };
      expect(leakedInto(log, secrets)).toEqual([]);
    } finally {
      await redis.close();
      await gcs.close();
    }
  }, 60_000);
});

describe('22: every error is problem+json without stack, bucket or key', () => {
  it('whether it is the client’s, the storage’s, the database’s or nobody’s', async () => {
    const alice = mediadock.as('alice-22');
    const bytes = await photo(30, 30, 22);
    const request = { fileName: 'a.jpg', mimeType: JPEG, fileSize: bytes.length };
    const [pending, mismatched] = [await alice.requestUpload(request), await alice.requestUpload(request)];
    const id = pending.body.mediaFileId;
    await alice.put(mismatched.body, Buffer.alloc(bytes.length));
    const waiting = await alice.uploadUnconfirmed(await photo(31, 30), JPEG);
    const expired = await alice.uploadUnconfirmed(await photo(32, 30), JPEG);
    await mediadock.database.query(
      "update media_files set upload_expires_at = now() - interval '1 second' where id = $1",
      [expired.mediaFileId],
    );
    const { pathname } = new URL(pending.body.uploadUrl);
    const answers: Answer<unknown>[] = [
      await mediadock.anonymous().send('GET', '/v1/quota'),
      await alice.send('GET', '/v1/nothing'),
      await alice.send('GET', '/v1/media/%00'),
      await alice.sendJson('POST', '/v1/media/uploads', { ...request, fileSize: '9', trick: true }),
      await alice.send('POST', '/v1/media/uploads', {
        body: '{',
        headers: JSON_TYPE,
      }),
      await alice.requestUpload<unknown>({ ...request, mimeType: 'image/svg+xml' }),
      await alice.requestUpload<unknown>({ ...request, fileSize: 1e9 }),
      await alice.confirm<unknown>(id),
      await alice.confirm<unknown>(mismatched.body.mediaFileId),
      await alice.confirm<unknown>(expired.mediaFileId),
      await alice.send('PUT', pathname),
      await alice.send('PUT', pathname, { headers: pending.body.uploadHeaders, body: 'abc' }),
      await alice.send('GET', pathname.replace('/uploads/', '/media/')),
      await rawRequest(mediadock.baseUrl, 'GET / HTTP/9\r\n\r\n'),
      await rawRequest(mediadock.baseUrl, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`),
    ];
    await mediadock.stack.storageDown();
    answers.push(
      await alice.confirm<unknown>(waiting.mediaFileId),
      await alice.uploadDirect<unknown>(bytes, JPEG),
    );
    await mediadock.stack.storageUp();
    await mediadock.database.query('alter table media_files rename to media_files_away');
    answers.push(await alice.requestUpload<unknown>(request), await alice.get<unknown>(id));
    await mediadock.database.query('alter table media_files_away rename to media_files');

    expect(new Set(answers.map(({ status }) => status))).toEqual(
      new Set([400, 401, 403, 404, 409, 410, 413, 415, 500, 503]),
    );
    for (const answer of answers) {
      expect(mediaTypeOf(answer)).toBe(PROBLEM_JSON);
      // Whoever sent a path may have it back.
      const text = JSON.stringify({ ...Object(answer.body), instance: '' });
      for (const secret of [
        ...Object.values(BUCKETS),
        mediadock.dataDir,
        'users/',
        'media_files',
        'select ',
      ]) {
        expect(text).not.toContain(secret);
      }
      expect(text).not.toMatch(
        /"(?:stack|cause|trace)"|\bat \S+ ?\(|node_modules|\.[jt]s:\d|E[A-Z]{4,}:|127\.0\.0\.1/,
      );
    }
  });
});

describe('25: CORS closed unless configured', () => {
  it('lets no page of another origin read an answer or send a token', async () => {
    const alice = mediadock.as('alice-25');
    const { body: ticket } = await alice.requestUpload({ fileName: 'a', mimeType: JPEG, fileSize: 3 });
    const { body: file } = await alice.uploadDirect(await photo(20, 20, 25), JPEG);
    const paths = [
      '/v1/quota',
      '/v1/media/uploads',
      ticket.uploadUrl,
      String(file.publicUrl),
      '/metrics',
      '/docs-json',
    ];
    for (const path of paths) {
      const address = path.replace(mediadock.baseUrl, '');
      for (const origin of ['https://evil.example', 'null', mediadock.baseUrl]) {
        const asked = {
          origin,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'authorization',
        };
        for (const { headers } of [
          await alice.send<unknown>('GET', address, { headers: { origin } }),
          await alice.send<unknown>('OPTIONS', address, { headers: asked }),
        ]) {
          expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
        }
      }
    }
    const buckets = wantedBuckets({ bucket: 'm', uploadBucket: 'u', access: 'public', corsOrigins: [] });
    expect(buckets.map(({ cors }) => cors)).toEqual([[], []]);
  });
});
