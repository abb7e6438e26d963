import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ConfigError, parseEnvironment, type RawEnvironment } from './parse-environment.js';

function mistakesIn(environment: RawEnvironment): readonly string[] {
  try {
    parseEnvironment(environment);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.mistakes;
    }
    throw error;
  }
  return [];
}

function pem(type: 'rsa' | 'ec' | 'ed25519', bits = 2048): string {
  const { publicKey } =
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: bits })
      : type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

describe(parseEnvironment.name, () => {
  it('runs on the embedded parts when nothing is set', () => {
    const config = parseEnvironment({});
    expect(config.database.url).toBeNull();
    expect(config.storage.driver).toBe('local');
    expect(config.auth.key).toEqual({ kind: 'generated' });
    expect(config.http).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      publicBaseUrl: 'http://127.0.0.1:3000',
    });
    expect(config.media).toEqual({
      uploadUrlTtlSeconds: 900,
      directUploadMaxBytes: 1_048_576,
      imageMaxBytes: 10_485_760,
      imageMaxPixels: 100_000_000,
      quotaBytes: 1_073_741_824,
    });
    expect(config.worker).toMatchObject({
      sweepIntervalSeconds: 30,
      processingTimeoutSeconds: 60,
      jobAttempts: 5,
    });
  });

  it('takes an empty variable as one that is not set', () => {
    expect(parseEnvironment({ PORT: '', JWT_SECRET: '  ' }).http.port).toBe(3000);
  });

  it('reports every mistake at once, in words', () => {
    const mistakes = mistakesIn({
      PORT: 'eighty',
      ROLE: 'boss',
      DATABASE_URL: 'mysql://nowhere',
      QUOTA_BYTES: '-1',
      USER_PROVISIONING: 'sometimes',
      CORS_ORIGINS: 'https://ok.example.com, nonsense',
    });
    expect(mistakes).toEqual(
      expect.arrayContaining([
        'PORT must be a whole number from 1 to 65535',
        'ROLE must be one of: api, worker, all',
        'DATABASE_URL must be a URL that starts with postgres:// or postgresql://',
        expect.stringContaining('QUOTA_BYTES must be a whole number'),
        'USER_PROVISIONING must be one of: auto, manual',
        expect.stringContaining('"nonsense" is not'),
      ]),
    );
  });

  it('takes locks around a pooler where there is one, and the one way there is where not', () => {
    const pooled = 'postgres://pooler/db';
    expect(parseEnvironment({ DATABASE_URL: pooled }).database.directUrl).toBe(pooled);
    const direct = 'postgres://server/db';
    expect(parseEnvironment({ DATABASE_URL: pooled, DATABASE_DIRECT_URL: direct }).database).toMatchObject({
      url: pooled,
      directUrl: direct,
    });
    expect(mistakesIn({ DATABASE_DIRECT_URL: direct })).toEqual([
      expect.stringContaining('DATABASE_DIRECT_URL is set without DATABASE_URL'),
    ]);
  });

  it.each(['PUBLIC_BASE_URL', 'STORAGE_PUBLIC_BASE_URL', 'GCS_API_ENDPOINT'])(
    'takes nothing for %s behind which no path can be put, or that tells a password to every client',
    (name) => {
      const paths = ['http://media_api:3000', 'https://media.example.com/base/', 'http://[::1]:3000'];
      expect(paths.flatMap((url) => mistakesIn({ [name]: url }))).toEqual([]);
      for (const url of [
        'https://a.example.com/?x=1',
        'https://a.example.com/#f',
        'https://u:p@a.example.com',
      ]) {
        expect(mistakesIn({ [name]: url })).toEqual([expect.stringContaining(`${name} must be a URL`)]);
      }
    },
  );

  it('takes a key set from a URL with a query', () => {
    const url = 'https://id.example.com/keys?tenant=1';
    expect(parseEnvironment({ JWT_JWKS_URL: url }).auth.key).toEqual({ kind: 'jwks', url });
  });

  it('counts bytes as far as a number can', () => {
    expect(parseEnvironment({ QUOTA_BYTES: '1000000000000000' }).media.quotaBytes).toBe(1e15);
    expect(parseEnvironment({ QUOTA_BYTES: '9007199254740991' }).media.quotaBytes).toBe(2 ** 53 - 1);
    expect(mistakesIn({ QUOTA_BYTES: '9007199254740992' })).toHaveLength(1);
  });

  it('never repeats a secret in a mistake', () => {
    const secret = 'short-and-secret';
    const mistakes = mistakesIn({ NODE_ENV: 'production', ALLOW_EMBEDDED: 'true', JWT_SECRET: secret });
    expect(mistakes).toEqual(['JWT_SECRET must have at least 32 bytes in production']);
    expect(mistakes.join()).not.toContain(secret);
  });

  it('takes an HMAC key of Cloud Storage as a whole or not at all, and never repeats its secret', () => {
    const gcs = { STORAGE_DRIVER: 'gcs', STORAGE_BUCKET: 'media', STORAGE_UPLOAD_BUCKET: 'uploads' };
    const [accessId, secret] = ['GOOG1EXAMPLE', 's/'.repeat(20)];

    expect(
      parseEnvironment({ ...gcs, GCS_HMAC_ACCESS_ID: accessId, GCS_HMAC_SECRET: secret }).storage.gcs.hmacKey,
    ).toEqual({ accessId, secret });
    expect(parseEnvironment(gcs).storage.gcs.hmacKey).toBeNull();
    expect(mistakesIn({ ...gcs, GCS_HMAC_SECRET: secret })).toEqual([
      'Set both GCS_HMAC_ACCESS_ID and GCS_HMAC_SECRET, or neither',
    ]);
    const cut = secret.slice(1);
    const mistakes = mistakesIn({ ...gcs, GCS_HMAC_ACCESS_ID: accessId, GCS_HMAC_SECRET: cut });
    expect(mistakes).toEqual([expect.stringContaining('GCS_HMAC_SECRET must be')]);
    expect(mistakes.join()).not.toContain(cut);
  });

  it('lists every missing variable when production is about to run on embedded parts by accident', () => {
    const text = mistakesIn({ NODE_ENV: 'production' }).join('\n');
    const names = ['DATABASE_URL', 'REDIS_URL', 'STORAGE_DRIVER', 'STORAGE_BUCKET', 'STORAGE_UPLOAD_BUCKET'];
    for (const name of [...names, 'JWT_SECRET', 'ALLOW_EMBEDDED']) {
      expect(text).toMatch(new RegExp(`^${name}[ =,]|set ${name}`, 'm'));
    }
  });

  it('runs on embedded parts in production when told so', () => {
    const config = parseEnvironment({ NODE_ENV: 'production', ALLOW_EMBEDDED: 'true' });
    expect(config.http.host).toBe('0.0.0.0');
    expect(config.http.publicBaseUrl).toBe('http://localhost:3000');
  });

  it.each([
    ['rsa' as const, 'RS256'],
    ['ec' as const, 'ES256'],
  ])('pins the algorithm to the kind of public key: %s is %s', (type, algorithm) => {
    expect(parseEnvironment({ JWT_PUBLIC_KEY: pem(type) }).auth.key).toMatchObject({
      kind: 'public-key',
      algorithm,
    });
  });

  it('takes a public key with its line breaks written out', () => {
    const key = parseEnvironment({ JWT_PUBLIC_KEY: pem('rsa').replaceAll('\n', String.raw`\n`) }).auth.key;
    expect(key.kind).toBe('public-key');
  });

  it('refuses keys that it cannot verify with', () => {
    expect(mistakesIn({ JWT_PUBLIC_KEY: 'nonsense' })).toEqual([
      'JWT_PUBLIC_KEY must be a public key in PEM form',
    ]);
    expect(mistakesIn({ JWT_PUBLIC_KEY: pem('ed25519') })[0]).toContain('must be an RSA key');
    expect(mistakesIn({ JWT_PUBLIC_KEY: pem('rsa', 1024) })).toEqual([
      'JWT_PUBLIC_KEY must have at least 2048 bits',
    ]);
  });

  it('takes no private key for a public one', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const mistakes = mistakesIn({ JWT_PUBLIC_KEY: key });
    expect(mistakes).toEqual([expect.stringContaining('JWT_PUBLIC_KEY is a private key')]);
    expect(mistakes.join()).not.toContain(key.split('\n')[1]);
  });

  it('refuses two ways of verifying tokens at once', () => {
    expect(mistakesIn({ JWT_SECRET: 'x', JWT_JWKS_URL: 'https://id.example.com/jwks' })).toEqual([
      'Set only one of JWT_SECRET, JWT_PUBLIC_KEY and JWT_JWKS_URL',
    ]);
  });

  it('gives out a configuration that nobody can change', () => {
    const config = parseEnvironment({});
    expect(() => Object.assign(config.media, { quotaBytes: 1 })).toThrow(TypeError);
  });
});
