import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiClient } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { Installation, type ServerProcess } from '../support/installation.js';
import { refusalOf } from '../support/openapi-problem.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const APP = 'https://app.example.com';
const SECOND = 'http://localhost:5173';
const SIGNED_HEADERS = 'content-type,x-goog-content-length-range,x-goog-if-generation-match';

/** What every way to answer can be asked for: data, a problem, a page, a file of figures, nothing at all. */
const ADDRESSES = [
  '/v1/quota',
  '/v1/media/x',
  '/docs',
  '/docs-json',
  '/metrics',
  '/health/live',
  '/v1/nothing',
];

let closed: TestApp;
let open: TestApp;

beforeAll(async () => {
  [closed, open] = await Promise.all([startTestApp(), startTestApp({ CORS_ORIGINS: `${APP}, ${SECOND}` })]);
});
afterAll(async () => Promise.all([closed.close(), open.close()]));

function preflight(app: TestApp, path: string, origin: string, method: string, headers: string) {
  return app.anonymous().send<unknown>('OPTIONS', path, {
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': headers,
    },
  });
}

describe('CORS', () => {
  it('is closed unless it is configured', async () => {
    const asked = await closed.as('alice').send('GET', '/v1/quota', { headers: { origin: APP } });
    const preflighted = await preflight(closed, '/v1/quota', APP, 'GET', 'authorization');
    for (const { headers } of [asked, preflighted]) {
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });

  it.each([APP, SECOND])(
    'lets %s ask, read the answer and its headers, and see why it was refused',
    async (origin) => {
      const { status, headers } = await preflight(
        open,
        '/v1/media/uploads',
        origin,
        'POST',
        'authorization,content-type,idempotency-key',
      );
      expect(status).toBe(204);
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-allow-methods')).toContain('POST');
      expect(headers.get('access-control-allow-headers')).toBe('authorization,content-type,idempotency-key');
      expect(headers.get('vary')).toMatch(/\bOrigin\b/);
      for (const client of [open.as('alice'), open.anonymous()]) {
        const answer = await client.send('GET', '/v1/quota', { headers: { origin } });
        expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
        expect(answer.headers.get('access-control-expose-headers')?.split(',')).toEqual(
          expect.arrayContaining(['retry-after', 'x-request-id', 'etag', 'idempotent-replayed']),
        );
      }
    },
  );

  it.each([
    'https://evil.example',
    'https://app.example.com.evil.example',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://sub.app.example.com',
    'null',
  ])('does not let %s in', async (origin) => {
    const { headers } = await open.as('alice').send('GET', '/v1/quota', { headers: { origin } });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    const preflighted = await preflight(open, '/v1/quota', origin, 'GET', 'authorization');
    expect(preflighted.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('lets a browser put the bytes, with every header that is signed', async () => {
    const bytes = await photo(30, 30);
    const { body: ticket } = await open
      .as('alice')
      .requestUpload({ fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: bytes.length });
    expect(Object.keys(ticket.uploadHeaders).toSorted().join(',')).toBe(SIGNED_HEADERS);
    // Of the store, wherever that is.
    const asked = await fetch(ticket.uploadUrl, {
      method: 'OPTIONS',
      headers: {
        origin: APP,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': SIGNED_HEADERS,
      },
    });
    expect(asked.ok).toBe(true);
    expect(asked.headers.get('access-control-allow-methods')).toContain('PUT');
    const allowed = asked.headers.get('access-control-allow-headers')?.toLowerCase().split(/, */) ?? [];
    expect(allowed.toSorted().join(',')).toBe(SIGNED_HEADERS);
    const put = await open.as('alice').put(ticket, bytes, { origin: APP });
    expect(put.status).toBe(200);
    expect(put.headers.get('access-control-allow-origin')).toBe(APP);
  });

  it('never allows credentials: a bearer token is none that a browser sends by itself', async () => {
    const { headers } = await preflight(open, '/v1/quota', APP, 'GET', 'authorization');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('the headers of every answer', () => {
  it.each(ADDRESSES)('keep browsers from guessing, framing and telling: %s', async (path) => {
    const { headers } = await closed.as('alice').send<unknown>('GET', path);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      'x-content-type-options': 'nosniff',
      'x-frame-options': expect.any(String),
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
    expect(headers.get('content-security-policy')).toMatch(/default-src '(?:none|self)'/);
    expect(headers.get('content-security-policy')).not.toMatch(/script-src[^;]*unsafe/);
    expect(headers.has('x-powered-by')).toBe(false);
    expect(headers.has('server')).toBe(false);
  });
});

describe('x-request-id', () => {
  it.each(['1', 'abc-123_DEF.4:5', '01937d4e-0000-7000-8000-000000000000', 'a'.repeat(128)])(
    'comes back as it was sent: %s',
    async (id) => {
      const { headers } = await closed
        .as('alice')
        .send('GET', '/v1/quota', { headers: { 'x-request-id': id } });
      expect(headers.get('x-request-id')).toBe(id);
    },
  );

  it.each([
    ['too long', 'a'.repeat(129)],
    ['with a blank', 'a b'],
    ['with a quote', 'a"b'],
    ['in another alphabet', '\u00e4'],
    ['with markup', '<script>'],
    ['empty', ''],
    ['missing', null],
  ])('is replaced when it is %s', async (_what, id) => {
    const { headers } = await closed
      .as('alice')
      .send('GET', '/v1/quota', { headers: id === null ? {} : { 'x-request-id': id } });
    expect(headers.get('x-request-id')).toMatch(UUID);
  });

  it('is on refusals too, and another one every time', async () => {
    const client = closed.anonymous();
    const answers = await Promise.all([
      client.send('GET', '/v1/quota'),
      client.send('GET', '/v1/quota'),
      client.send('GET', '/v1/nothing'),
      client.send('POST', '/v1/media/uploads', {
        body: '{',
        headers: { 'content-type': 'application/json' },
      }),
    ]);
    const ids = answers.map(({ headers }) => headers.get('x-request-id'));
    expect(ids).toEqual(ids.map(() => expect.stringMatching(UUID)));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('RATE_LIMIT_PER_MINUTE', () => {
  it('is a budget of each user over all operations, and says when to come back', async () => {
    const hasty = await startTestApp({ RATE_LIMIT_PER_MINUTE: '3' });
    try {
      const alice = hasty.as('alice');
      const allowed = [
        await alice.send('GET', '/v1/quota'),
        await alice.list(),
        await alice.send('GET', '/v1/media/x'),
      ];
      expect(allowed.map(({ status }) => status)).toEqual([200, 200, 400]);
      for (const path of ['/v1/quota', '/v1/media']) {
        const refused = await alice.send('GET', path);
        expect(refusalOf(refused)).toBe('429 rate_limited');
        const seconds = Number(refused.headers.get('retry-after'));
        expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60).toBe(true);
      }
      expect((await hasty.as('bob').send('GET', '/v1/quota')).status).toBe(200);
      for (const path of ['/health/live', '/health/ready', '/metrics', '/docs-json']) {
        const many = await Promise.all(Array.from({ length: 5 }, () => alice.send('GET', path)));
        expect(many.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      }
    } finally {
      await hasty.close();
    }
  });

  it('does not stop a PUT that was signed before', async () => {
    const hasty = await startTestApp({ RATE_LIMIT_PER_MINUTE: '1' });
    try {
      const bytes = await photo(30, 30);
      const request = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: bytes.length };
      const { body: ticket } = await hasty.as('alice').requestUpload(request);
      expect((await hasty.as('alice').put(ticket, bytes)).status).toBe(200);
      expect((await hasty.as('alice').put(ticket, bytes)).status).toBe(412);
    } finally {
      await hasty.close();
    }
  });
});

describe('/docs', () => {
  it('is a page that works under its own policy: no script in it, and all that it loads is there', async () => {
    const { status, headers, body: page } = await closed.anonymous().send<string>('GET', '/docs');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(headers.get('content-security-policy')).toContain("script-src 'self'");
    const scripts = [...page.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g)];
    expect(scripts.length).toBeGreaterThan(0);
    for (const [, attributes, inline] of scripts) {
      expect(attributes).toMatch(/src="/);
      expect(inline?.trim()).toBe('');
    }
    expect(page).not.toMatch(/\son[a-z]+\s*=|javascript:/i);
    const loaded = [...page.matchAll(/(?:src|href)="(\.[^"]+)"/g)].map(([, address]) => String(address));
    for (const address of loaded) {
      const { pathname } = new URL(address, `${closed.baseUrl}/docs`);
      const asset = await closed.anonymous().send<string>('GET', pathname);
      expect({ pathname, status: asset.status }).toEqual({ pathname, status: 200 });
    }
    const init = await closed.anonymous().send<string>('GET', '/docs/swagger-ui-init.js');
    expect(init.body).toContain('Uploads_request');
  });
});

describe('the log', () => {
  let database: TestDatabase;
  let installation: Installation;
  let service: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    installation = await Installation.create({
      NODE_ENV: 'test',
      LOG_LEVEL: 'trace',
      DATABASE_URL: database.url,
      JWT_SECRET: TEST_SECRET,
      STORAGE_ACCESS: 'private',
    });
    service = await installation.start();
  });
  afterAll(async () => {
    await service.end('SIGTERM');
    await database.drop();
    await installation.remove();
  });

  it('tells of every request, and holds no token, no signature, no secret and no name of a file', async () => {
    const [token, expired] = [tokenFor('alice'), tokenFor('alice', { expiresIn: -1 })];
    const alice = new ApiClient(installation.baseUrl, token);
    const fileName = 'holiday-with-grandma.jpg';
    const bytes = await photo(300, 200);
    const ticket = await alice.uploadUnconfirmed(bytes, 'image/jpeg', fileName);
    await alice.put(ticket, bytes);
    await alice.confirm(ticket.mediaFileId);
    const ready = await alice.settled(ticket.mediaFileId);
    const readUrl = new URL(String(ready.publicUrl));
    expect((await fetch(readUrl)).status).toBe(200);
    await new ApiClient(installation.baseUrl, expired).send('GET', '/v1/quota');
    await alice.send('GET', `/v1/quota?access_token=${token}`);
    await alice.uploadDirect(Buffer.from(fileName), 'image/jpeg', fileName);
    await database.query('alter table media_files rename to media_files_away');
    expect((await alice.requestUpload({ fileName, mimeType: 'image/jpeg', fileSize: 9 })).status).toBe(500);
    await database.query('alter table media_files_away rename to media_files');
    await service.end('SIGTERM');

    const log = service.output;
    expect(log).toContain(`"path":"/v1/media/${ticket.mediaFileId}/confirm"`);
    expect(log).toContain(`"path":"${readUrl.pathname}"`);
    expect(log).toContain('"status":500');
    const secrets = {
      token,
      expired,
      tokenSignature: token.split('.')[2],
      uploadSignature: new URL(ticket.uploadUrl).searchParams.get('signature'),
      readSignature: readUrl.searchParams.get('signature'),
      jwtSecret: TEST_SECRET,
      databasePassword: new URL(database.url).password,
      fileName,
    };
    const leaked = Object.entries(secrets).filter(([, secret]) => secret && log.includes(secret));
    expect(leaked.map(([what]) => what)).toEqual([]);
  });
});

describe('a condition on what has no validators', () => {
  it.each(['/v1/quota', '/v1/media', '/health/live', '/metrics'])('is ignored: %s', async (path) => {
    const { status } = await closed
      .as('alice')
      .send<unknown>('GET', path, { headers: { 'if-none-match': '*', 'cache-control': 'max-age=0' } });
    expect(status).toBe(200);
  });
});
