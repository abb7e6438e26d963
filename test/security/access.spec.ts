import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiClient, sha256 } from '../support/api-client.js';
import { filesBelow } from '../support/files-below.js';
import { photo } from '../support/images.js';
import { Installation } from '../support/installation.js';
import { KeyedRequests } from '../support/keyed-requests.js';
import { craftToken, ecdsa, ecKey, hmac, rsa, rsaKey, unsigned } from '../support/openapi-jwt.js';
import { refusalOf } from '../support/openapi-problem.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';

const JPEG = 'image/jpeg';
const KEY = /^users\/[0-9a-f-]{36}\/image\/\d{4}\/\d{2}\/[0-9a-f-]{36}\.jpg$/;

let mediadock: TestApp;

beforeAll(async () => {
  mediadock = await startTestApp();
});
afterAll(async () => mediadock.close());

/** All files there are, but those that a worker may be writing at this moment. */
async function filesOfClients(): Promise<string[]> {
  const files = await filesBelow(mediadock.dataDir);
  return files.filter((path) => !path.includes('.webp') && !path.startsWith(join('objects', 'tmp')));
}

describe('10: keys are server-made; `../`, NUL, `%2f`, Unicode, 10 KB names have no effect', () => {
  const NAMES = [
    '../../../etc/passwd',
    '..\\..\\secrets',
    'a\0.jpg',
    '%2e%2e%2fsecrets%2fstorage-signing-key',
    'users/somebody/else.jpg',
    '．．／ｘ.jpg',
    'é́\u202E🖼.jpg',
    `${'n'.repeat(10_240)}.jpg`,
    '.',
    '__proto__',
  ];

  it('makes the same kind of key whatever the file is called', async () => {
    const mallory = mediadock.as('mallory-10');
    const bytes = await photo(20, 20);
    for (const [index, fileName] of NAMES.entries()) {
      const ticket = await mallory.uploadUnconfirmed(bytes, JPEG, fileName);
      const own = Buffer.concat([bytes, Buffer.from([index])]);
      const { status, body: direct } = await mallory.uploadDirect(own, JPEG, fileName);
      expect(ticket.storageKey).toMatch(KEY);
      // Not every one of these can stand in the head of a part.
      expect(status === 400 || KEY.test(direct.storageKey)).toBe(true);
    }
    expect((await mallory.list({ limit: '100' })).body.items.length).toBeGreaterThan(NAMES.length + 5);
    const places = new Set((await filesOfClients()).map((path) => path.split('/').slice(0, 3).join('/')));
    expect([...places].toSorted()).toEqual([
      'objects/media/users',
      'objects/uploads/users',
      'secrets/storage-signing-key',
    ]);
  });

  it('lets no address reach a file that is no object, nor a signature another place', async () => {
    const mallory = mediadock.as('mallory-10');
    const ticket = await mallory.uploadUnconfirmed(await photo(20, 20), JPEG);
    const { body: file } = await mallory.confirm(ticket.mediaFileId);
    const { body: open } = await mallory.requestUpload({ fileName: 'a', mimeType: JPEG, fileSize: 3 });
    const { pathname, search } = new URL(open.uploadUrl);
    const kept = await filesOfClients();
    const sidecar = kept.find((path) => path.includes(`media/${file.storageKey}.`)) ?? '';
    expect(kept).toContain(join('secrets', 'storage-signing-key'));
    const climbs = [
      '../../secrets',
      '..%2f..%2fsecrets',
      '%2e%2e/%2e%2e/secrets',
      '..%5c..%5csecrets',
      '....//secrets',
    ];
    const reads = [
      ...climbs.map((climb) => `/v1/storage/media/${climb}/storage-signing-key`),
      `/v1/storage/media/${file.storageKey}/../../../../../../../../secrets/storage-signing-key`,
      `/v1/storage/media/${sidecar.slice(sidecar.indexOf('users'))}`,
      `/v1/storage/media/${file.storageKey}%00`,
      `/v1/storage/media//${file.storageKey}`,
      `/v1/storage/media/${file.storageKey.replaceAll('/', '%2f')}`,
      `/v1/storage/uploads/${file.storageKey}`,
    ];
    for (const path of reads) {
      const line = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
      expect([path, (await rawRequest(mediadock.baseUrl, line)).status]).toEqual([path, 404]);
    }
    const writes = [
      pathname.replace('users', 'users/../../../x/users'),
      pathname.replace('users', '%2e%2e/media/users'),
      pathname.replaceAll('/image/', '%2fimage%2f'),
      `${pathname}%00`,
      `${pathname}/x`,
    ];
    const signed = Object.entries({ ...open.uploadHeaders, 'content-length': '3' }).map((pair) =>
      pair.join(': '),
    );
    for (const path of writes) {
      const head = `PUT ${path}${search} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${signed.join('\r\n')}`;
      const { status } = await rawRequest(mediadock.baseUrl, `${head}\r\n\r\nabc`);
      expect([path, status >= 400 && status < 500]).toEqual([path, true]);
    }
    expect(await filesOfClients()).toEqual(kept);
  });
});

describe('12: another user can neither confirm, read nor delete', () => {
  it('nor list, nor find by hash, nor have the answer to a request of somebody else', async () => {
    const [alice, mallory] = [mediadock.as('alice-12'), mediadock.as('mallory-12')];
    const bytes = await photo(40, 30, 12);
    const ready = await alice.settled((await alice.upload(bytes, JPEG)).id);
    const ticket = await alice.uploadUnconfirmed(await photo(30, 30), JPEG);
    for (const id of [ready.id, ticket.mediaFileId]) {
      for (const answer of [
        await mallory.get<unknown>(id),
        await mallory.confirm<unknown>(id),
        await mallory.delete(id),
      ]) {
        expect(refusalOf(answer)).toBe('403 access_denied');
        expect(JSON.stringify(answer.body)).not.toContain(ready.userId);
      }
      for (const answer of [
        await mediadock.anonymous().get<unknown>(id),
        await mediadock.anonymous().confirm<unknown>(id),
        await mediadock.anonymous().delete(id),
      ]) {
        expect(refusalOf(answer)).toBe('401 unauthenticated');
      }
    }
    expect((await mallory.list()).body.items).toEqual([]);
    const claim = { fileName: 'a.jpg', mimeType: JPEG, fileSize: bytes.length, contentHash: sha256(bytes) };
    expect((await mallory.requestUpload(claim)).status).toBe(201);
    const forged = { ...claim, userId: ready.userId };
    expect(refusalOf(await mallory.requestUpload<unknown>(forged))).toBe('400 validation_failed');
    const [hers, theirs] = [new KeyedRequests(mediadock.baseUrl, 'alice-12'), 'mallory-12'] as const;
    const first = await hers.json('/v1/media/uploads', claim, 'the-same-key');
    const second = await new KeyedRequests(mediadock.baseUrl, theirs).json(
      '/v1/media/uploads',
      claim,
      'the-same-key',
    );
    expect(second.text).not.toBe(first.text);
    expect(second.text).not.toContain(ready.userId);

    expect((await alice.get(ready.id)).body.status).toBe('ready');
    expect((await alice.confirm(ticket.mediaFileId)).status).toBe(200);
  });
});

async function statusOf(app: TestApp, token: string): Promise<number> {
  return (await new ApiClient(app.baseUrl, token).send('GET', '/v1/quota')).status;
}

describe('23: JWT: `alg` pinned, `none` and confusion refused, exp/nbf/iss/aud checked', () => {
  const pair = rsaKey();
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: 'alice', iss: 'https://id.example.com/', aud: 'mediadock', exp: now + 600 };
  const environment = { JWT_ISSUER: claims.iss, JWT_AUDIENCE: claims.aud };
  let onSecret: TestApp;
  let onKey: TestApp;

  beforeAll(async () => {
    [onSecret, onKey] = await Promise.all([
      startTestApp(environment),
      startTestApp({ ...environment, JWT_SECRET: undefined, JWT_PUBLIC_KEY: pair.pem }),
    ]);
  });
  afterAll(async () => Promise.all([onSecret.close(), onKey.close()]));

  it('lets in whoever the configured key has signed for, and nobody by another algorithm', async () => {
    const byHmac = (header: object, payload: object = claims, key: string = TEST_SECRET) =>
      craftToken({ typ: 'JWT', ...header }, payload, hmac(key));
    const byRsa = (header: object, payload: object = claims) => craftToken(header, payload, rsa(pair));
    expect(await statusOf(onSecret, byHmac({ alg: 'HS256' }))).toBe(200);
    expect(await statusOf(onKey, byRsa({ alg: 'RS256' }))).toBe(200);
    const stale = [{ exp: now - 1 }, { nbf: now + 600 }, { iss: 'https://evil.example' }, { aud: 'other' }];
    const refused: [app: TestApp, token: string][] = [
      ...['none', 'None', 'NONE', ''].flatMap((alg): [TestApp, string][] => [
        [onSecret, craftToken({ alg }, claims, unsigned)],
        [onKey, craftToken({ alg }, claims, unsigned)],
        [onSecret, byHmac({ alg })],
      ]),
      [onSecret, craftToken({ alg: 'HS512' }, claims, hmac(TEST_SECRET, 'sha512'))],
      [onSecret, byHmac({ alg: 'HS256' }, claims, '')],
      [onSecret, byHmac({ alg: 'HS256', jwk: { kty: 'oct', k: '' }, kid: '/dev/null' }, claims, '')],
      [onSecret, byRsa({ alg: 'RS256', jwk: pair.publicKey.export({ format: 'jwk' }) })],
      // The public key is no secret: whoever takes it for one lets everybody in.
      ...[pair.pem, pair.pem.trim()].map((pem): [TestApp, string] => [
        onKey,
        byHmac({ alg: 'HS256' }, claims, pem),
      ]),
      [onKey, craftToken({ alg: 'RS512' }, claims, rsa(pair, 'sha512'))],
      [onKey, craftToken({ alg: 'ES256' }, claims, ecdsa(ecKey()))],
      [onKey, craftToken({ alg: 'RS256', jku: 'https://evil.example/jwks' }, claims, rsa(rsaKey()))],
      ...stale.flatMap((claim): [TestApp, string][] => [
        [onSecret, byHmac({ alg: 'HS256' }, { ...claims, ...claim })],
        [onKey, byRsa({ alg: 'RS256' }, { ...claims, ...claim })],
      ]),
      [onSecret, tokenFor('alice')],
    ];
    const statuses = await Promise.all(refused.map(([app, token]) => statusOf(app, token)));
    expect(statuses).toEqual(refused.map(() => 401));
  });
});

describe('the way to PostgreSQL', () => {
  it('is never taken in the clear with PGSSLMODE=verify-full, by no connection', async () => {
    /** How PostgreSQL is asked for TLS ("SSLRequest" in its protocol); a server answers N when it has none. */
    const SSL_REQUEST = '0000000804d2162f';
    const greetings: string[] = [];
    const server = createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', (bytes) => {
          greetings.push(bytes.toString('hex'));
          socket.end('N');
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const installation = await Installation.create({
      DATABASE_URL: `postgres://mediadock:secret@127.0.0.1:${port}/mediadock`,
      PGSSLMODE: 'verify-full',
    });
    try {
      const refused = installation.launch();
      expect(await refused.ended).toBe(1);
      expect(refused.output).toContain('does not support SSL');
      expect(new Set(greetings)).toEqual(new Set([SSL_REQUEST]));
    } finally {
      server.close();
      await installation.remove();
    }
  });
});
