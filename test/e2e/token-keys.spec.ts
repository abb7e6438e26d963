import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiClient, type Answer, until } from '../support/api-client.js';
import {
  craftToken,
  ecdsa,
  ecKey,
  hmac,
  type KeyServer,
  rsa,
  rsaKey,
  type SigningKey,
  startKeyServer,
  unsigned,
} from '../support/openapi-jwt.js';
import { problemOf, refusalOf } from '../support/openapi-problem.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';

const REFUSED = '401 unauthenticated';
const HS256 = { alg: 'HS256', typ: 'JWT' };
const ALICE = { sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 };
/** A request that gets no answer at all must not hold up the others. */
const HANGING_MS = 5_000;

async function askWith(app: TestApp, token: string): Promise<Answer<unknown>> {
  return new ApiClient(app.baseUrl, token).send<unknown>('GET', '/v1/quota', {
    signal: AbortSignal.timeout(HANGING_MS),
  });
}

describe('JWT_PUBLIC_KEY', () => {
  const [rsaPair, otherRsa, ecPair, otherEc] = [rsaKey(), rsaKey(), ecKey(), ecKey()];
  let onRsa: TestApp;
  let onEc: TestApp;

  beforeAll(async () => {
    // Both ways to write a key into an environment variable: as it is, and on one line.
    const onOneLine = ecPair.pem.replaceAll('\n', String.raw`\n`);
    [onRsa, onEc] = await Promise.all([
      startTestApp({ JWT_SECRET: undefined, JWT_PUBLIC_KEY: rsaPair.pem }),
      startTestApp({ JWT_SECRET: undefined, JWT_PUBLIC_KEY: onOneLine }),
    ]);
  });
  afterAll(async () => Promise.all([onRsa.close(), onEc.close()]));

  it('lets in who has a token of that key', async () => {
    expect((await askWith(onRsa, craftToken({ alg: 'RS256' }, ALICE, rsa(rsaPair)))).status).toBe(200);
    expect((await askWith(onEc, craftToken({ alg: 'ES256' }, ALICE, ecdsa(ecPair)))).status).toBe(200);
  });

  it.each<[what: string, app: () => TestApp, token: string]>([
    ['RS256 of another key', () => onRsa, craftToken({ alg: 'RS256' }, ALICE, rsa(otherRsa))],
    ['RS512', () => onRsa, craftToken({ alg: 'RS512' }, ALICE, rsa(rsaPair, 'sha512'))],
    ['RS512 that says RS256', () => onRsa, craftToken({ alg: 'RS256' }, ALICE, rsa(rsaPair, 'sha512'))],
    ['ES256 for an RSA key', () => onRsa, craftToken({ alg: 'ES256' }, ALICE, ecdsa(ecPair))],
    ['none', () => onRsa, craftToken({ alg: 'none' }, ALICE, unsigned)],
    ['HS256 with the public key as the secret', () => onRsa, craftToken(HS256, ALICE, hmac(rsaPair.pem))],
    ['the same without its last line break', () => onRsa, craftToken(HS256, ALICE, hmac(rsaPair.pem.trim()))],
    ['the same with the bare key', () => onRsa, craftToken(HS256, ALICE, hmac(derOf(rsaPair)))],
    ['HS256 with the secret of another set-up', () => onRsa, tokenFor('alice')],
    ['ES256 of another key', () => onEc, craftToken({ alg: 'ES256' }, ALICE, ecdsa(otherEc))],
    ['ES256 of zeros', () => onEc, craftToken({ alg: 'ES256' }, ALICE, () => Buffer.alloc(64))],
    ['RS256 for an EC key', () => onEc, craftToken({ alg: 'RS256' }, ALICE, rsa(rsaPair))],
    ['HS256 with the EC key as the secret', () => onEc, craftToken(HS256, ALICE, hmac(ecPair.pem))],
    ['an expired RS256', () => onRsa, craftToken({ alg: 'RS256' }, { ...ALICE, exp: 1 }, rsa(rsaPair))],
  ])('refuses %s', async (_what, app, token) => {
    expect(refusalOf(await askWith(app(), token))).toBe(REFUSED);
  });
});

describe('JWT_JWKS_URL', () => {
  const [first, second, third] = [rsaKey('first'), rsaKey('second'), rsaKey('third')];
  const elliptic = ecKey('elliptic');
  let keys: KeyServer;
  let mediadock: TestApp;

  beforeAll(async () => {
    keys = await startKeyServer(first, third, elliptic);
    mediadock = await startTestApp({ JWT_SECRET: undefined, JWT_JWKS_URL: keys.url });
  });
  afterAll(async () => {
    await mediadock.close();
    await keys.stop();
  });

  const signedBy = (key: SigningKey, kid = key.kid): string =>
    craftToken({ alg: 'RS256', kid }, ALICE, rsa(key));

  it('lets in who has a token of any key in the set', async () => {
    expect((await askWith(mediadock, signedBy(first))).status).toBe(200);
    const es256 = craftToken({ alg: 'ES256', kid: elliptic.kid }, ALICE, ecdsa(elliptic));
    expect((await askWith(mediadock, es256)).status).toBe(200);
  });

  it.each<[what: string, token: string]>([
    ['of an unknown key', signedBy(second)],
    ['of another key under a known name', signedBy(second, first.kid)],
    ['that names none of the two that fit', craftToken({ alg: 'RS256' }, ALICE, rsa(first))],
    [
      'that names another algorithm',
      craftToken({ alg: 'RS512', kid: first.kid }, ALICE, rsa(first, 'sha512')),
    ],
    [
      'of HS256 with a public key as the secret',
      craftToken({ ...HS256, kid: first.kid }, ALICE, hmac(first.pem)),
    ],
    ['without a signature', craftToken({ alg: 'RS256', kid: first.kid }, ALICE, unsigned)],
    ['without a signature, of an unknown key', craftToken({ alg: 'RS256', kid: 'unknown' }, ALICE, unsigned)],
    [
      'without a signature, whose payload is a list',
      craftToken({ alg: 'RS256', kid: first.kid }, [], unsigned),
    ],
    ['of none', craftToken({ alg: 'none', kid: first.kid }, ALICE, unsigned)],
    ['of nothing', 'a.b.c'],
  ])('refuses a token %s', async (_what, token) => {
    expect(refusalOf(await askWith(mediadock, token))).toBe(REFUSED);
  });

  it('follows a rotation without a restart, and lives through a provider that is down', async () => {
    const provider = await startKeyServer(first);
    const rotating = await startTestApp({ JWT_SECRET: undefined, JWT_JWKS_URL: provider.url });
    try {
      expect((await askWith(rotating, signedBy(first))).status).toBe(200);
      await provider.stop();
      expect((await askWith(rotating, signedBy(first))).status).toBe(200);
      const refused = problemOf(await askWith(rotating, signedBy(second)));
      expect(JSON.stringify(refused)).not.toMatch(/127\.0\.0\.1|ECONN|jwks|http:/i);
      provider.serve(first, second);
      await provider.start();
      await until(
        async () => ((await askWith(rotating, signedBy(second))).status === 200 ? true : null),
        'the new key to be found',
      );
      expect((await askWith(rotating, signedBy(first))).status).toBe(200);
    } finally {
      await rotating.close();
      await provider.stop();
    }
  });
});

function derOf({ publicKey }: SigningKey): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' });
}
