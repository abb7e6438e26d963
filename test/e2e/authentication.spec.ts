import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsersService } from '../../src/users/users.service.js';
import { ApiClient, type Answer } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { craftToken, hmac, unsigned } from '../support/openapi-jwt.js';
import { refusalOf } from '../support/openapi-problem.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';

const REFUSED = '401 unauthenticated';
const HS256 = { alg: 'HS256', typ: 'JWT' };
const ALICE = { sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 };

async function askWith(app: TestApp, token: string): Promise<Answer<unknown>> {
  return new ApiClient(app.baseUrl, token).send<unknown>('GET', '/v1/quota');
}

describe('a request with a shared secret', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp();
  });
  afterAll(async () => mediadock.close());

  it.each([
    ['no header', null],
    ['another scheme', `Basic ${Buffer.from('alice:secret').toString('base64')}`],
    ['a scheme alone', 'Bearer'],
    ['garbage', 'Bearer garbage'],
    ['dots', 'Bearer ..'],
    ['three words', 'Bearer a.b.c'],
    ['a token without its scheme', tokenFor('alice')],
  ])('is refused with %s, and told how to sign in', async (_what, authorization) => {
    const answer = await mediadock.anonymous().send<unknown>('GET', '/v1/quota', {
      headers: authorization === null ? {} : { authorization },
    });
    expect(refusalOf(answer)).toBe(REFUSED);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it.each<[what: string, token: string]>([
    ['has expired', tokenFor('alice', { expiresIn: -1 })],
    ['is not valid yet', tokenFor('alice', { notBefore: 600 })],
    ['is signed with another secret', craftToken(HS256, ALICE, hmac('another secret of at least 32 bytes'))],
    ['is not signed', craftToken(HS256, ALICE, unsigned)],
    ['says that it is not signed', craftToken({ alg: 'none' }, ALICE, unsigned)],
    ['says so in capitals', craftToken({ alg: 'NONE' }, ALICE, unsigned)],
    ['says so, but is', craftToken({ alg: 'none' }, ALICE, hmac(TEST_SECRET))],
    ['uses a hash that is not agreed', craftToken({ alg: 'HS512' }, ALICE, hmac(TEST_SECRET, 'sha512'))],
    ['has an algorithm that is none', craftToken({ alg: ['HS256'] }, ALICE, hmac(TEST_SECRET))],
    ['has no algorithm', craftToken({}, ALICE, hmac(TEST_SECRET))],
    ['brings its own key', craftToken({ ...HS256, jwk: { kty: 'oct', k: 'AA' } }, ALICE, hmac('\0'))],
    ['has an expiry that is no time', craftToken(HS256, { sub: 'alice', exp: 'never' }, hmac(TEST_SECRET))],
    [
      'was changed',
      tokenFor('alice').replace(/\.[^.]+\./, `.${Buffer.from('{"sub":"bob"}').toString('base64url')}.`),
    ],
    ['is cut off', tokenFor('alice').slice(0, -5)],
  ])('is refused with a token that %s', async (_what, token) => {
    const answer = await askWith(mediadock, token);
    expect(refusalOf(answer)).toBe(REFUSED);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(JSON.stringify(answer.body)).not.toContain(token.split('.')[1]);
  });

  it.each<[what: string, payload: unknown]>([
    ['is missing', {}],
    ['is a number', { sub: 7 }],
    ['is null', { sub: null }],
    ['is a list', { sub: ['alice'] }],
    ['is an object', { sub: { toString: 'alice' } }],
    ['is empty', { sub: '' }],
    ['holds NUL', { sub: 'ali\0ce' }],
    ['holds a line break', { sub: 'ali\nce' }],
    ['holds half a character', { sub: 'ali\uD800ce' }],
    ['has 256 characters', { sub: 'a'.repeat(256) }],
    ['is in a payload that is a string', 'alice'],
    ['is in a payload that is a list', ['alice']],
    ['is in a payload that is null', null],
  ])('is refused when the signed subject %s', async (_what, payload) => {
    const claims = isObject(payload) ? { ...ALICE, sub: undefined, ...payload } : payload;
    expect(refusalOf(await askWith(mediadock, craftToken(HS256, claims, hmac(TEST_SECRET))))).toBe(REFUSED);
  });

  it.each([
    ['one letter', 'a'],
    ['a provider and an id', 'auth0|5f7c8ec7c33c6c004bbafe82'],
    ['any letters', 'Älice 😀'],
    ['255 characters', 'a'.repeat(255)],
    ['SQL', "'; drop table user_profiles; --"],
  ])('gets one profile for a subject of %s, and keeps it', async (_what, subject) => {
    const created = await mediadock.as(subject).uploadDirect(await photo(20, 20), 'image/jpeg');
    expect(created.status).toBe(201);
    const rows = await profilesOf(mediadock, subject);
    expect(rows).toEqual([{ id: created.body.userId }]);
    await mediadock.as(subject).quota();
    expect(await profilesOf(mediadock, subject)).toEqual(rows);
  });

  it('tells apart subjects that only look the same', async () => {
    const [one, other] = await Promise.all(
      ['alice', 'Alice'].map(async (subject) =>
        mediadock.as(subject).uploadDirect(await photo(20, 20, 2), 'image/jpeg'),
      ),
    );
    expect(one?.body.userId).not.toBe(other?.body.userId);
  });

  it('makes one profile of 40 first requests at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => askWith(mediadock, tokenFor('crowd'))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await profilesOf(mediadock, 'crowd')).toHaveLength(1);
  });

  it('takes a token from the header only', async () => {
    const token = tokenFor('alice');
    const query = await mediadock.anonymous().send('GET', `/v1/quota?access_token=${token}&token=${token}`);
    expect(refusalOf(query)).toBe(REFUSED);
    const cookie = await mediadock
      .anonymous()
      .send('GET', '/v1/quota', { headers: { cookie: `token=${token}` } });
    expect(refusalOf(cookie)).toBe(REFUSED);
  });
});

describe('a request for what belongs to somebody else', () => {
  it('is denied, whatever it wants, and changes nothing', async () => {
    const mediadock = await startTestApp();
    try {
      const [alice, bob] = [mediadock.as('alice'), mediadock.as('bob')];
      const { body: file } = await alice.uploadDirect(await photo(20, 20), 'image/jpeg');
      const ticket = await alice.uploadUnconfirmed(await photo(30, 20), 'image/jpeg');
      for (const id of [file.id, ticket.mediaFileId]) {
        expect(refusalOf(await bob.get<unknown>(id))).toBe('403 access_denied');
        expect(refusalOf(await bob.confirm<unknown>(id))).toBe('403 access_denied');
        expect(refusalOf(await bob.delete(id))).toBe('403 access_denied');
      }
      expect((await bob.list()).body.items).toEqual([]);
      expect((await alice.list()).body.items.map(({ id }) => id)).toEqual([ticket.mediaFileId, file.id]);
      expect((await alice.confirm(ticket.mediaFileId)).status).toBe(200);
      expect((await alice.delete(file.id)).status).toBe(204);
      expect(refusalOf(await bob.get<unknown>(file.id))).toBe('404 not_found');
    } finally {
      await mediadock.close();
    }
  });

  it('does not find its bytes either: a hash of somebody else is no duplicate', async () => {
    const mediadock = await startTestApp();
    try {
      const bytes = await photo(25, 25);
      const { body: file } = await mediadock.as('alice').uploadDirect(bytes, 'image/jpeg');
      const contentHash = String(file.contentHash);
      const request = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: bytes.length, contentHash };
      expect((await mediadock.as('bob').requestUpload(request)).status).toBe(201);
    } finally {
      await mediadock.close();
    }
  });
});

describe('USER_PROVISIONING=manual', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ USER_PROVISIONING: 'manual' });
  });
  afterAll(async () => mediadock.close());

  it('knows only who was added, and lets them in from then on', async () => {
    const bob = mediadock.as('bob');
    const bytes = await photo(20, 20);
    const id = '01937d4e-0000-7000-8000-000000000000';
    const request = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: bytes.length };
    const answers = [
      await bob.send<unknown>('GET', '/v1/quota'),
      await bob.requestUpload<unknown>(request),
      await bob.uploadDirect<unknown>(bytes, 'image/jpeg'),
      await bob.get<unknown>(id),
      await bob.confirm<unknown>(id),
      await bob.delete(id),
    ];
    expect(answers.map(refusalOf)).toEqual(answers.map(() => '404 user_not_found'));
    expect(await bob.list()).toMatchObject({
      status: 200,
      body: { items: [], hasMore: false, nextCursor: null },
    });
    expect(refusalOf(await bob.list<unknown>({ cursor: 'garbage' }))).toBe('400 validation_failed');
    expect(await profilesOf(mediadock, 'bob')).toEqual([]);

    await expect(addUser(mediadock, 'bob')).resolves.toMatchObject({ created: true });
    await expect(addUser(mediadock, 'bob')).resolves.toMatchObject({ created: false });
    expect((await bob.uploadDirect(bytes, 'image/jpeg')).status).toBe(201);
    expect((await bob.list()).body.items).toHaveLength(1);
    expect(refusalOf(await mediadock.as('eve').send('GET', '/v1/quota'))).toBe('404 user_not_found');
  });
});

describe('JWT_ISSUER and JWT_AUDIENCE', () => {
  const RIGHT = { issuer: 'https://id.example.com/', audience: 'mediadock' };
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ JWT_ISSUER: RIGHT.issuer, JWT_AUDIENCE: RIGHT.audience });
  });
  afterAll(async () => mediadock.close());

  it.each([
    ['both right', RIGHT, 200],
    ['one audience of several', { ...RIGHT, audience: ['other', 'mediadock'] }, 200],
    ['another issuer', { ...RIGHT, issuer: 'https://id.example.com' }, 401],
    ['another audience', { ...RIGHT, audience: 'other' }, 401],
    ['no issuer', { audience: RIGHT.audience }, 401],
    ['no audience', { issuer: RIGHT.issuer }, 401],
  ])('are checked: %s', async (_what, options, status) => {
    expect((await askWith(mediadock, tokenFor('alice', options))).status).toBe(status);
  });
});

async function profilesOf(app: TestApp, subject: string): Promise<{ id: string }[]> {
  return app.database.query<{ id: string }>('select id from user_profiles where user_info_id = $1', [
    subject,
  ]);
}

async function addUser(app: TestApp, subject: string): Promise<{ id: string; created: boolean }> {
  return app.app.get(UsersService, { strict: false }).add(subject);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
