import { createPublicKey } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { AppConfig, HmacKey, JwtKeyConfig } from './app-config.js';
import { Environment } from './environment.js';

export type RawEnvironment = Readonly<Record<string, string | undefined>>;

/** Every mistake in the environment, in words. Carries no values of secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(
    readonly mistakes: readonly string[],
    options?: ErrorOptions,
  ) {
    super(
      `The configuration is not valid:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
      options,
    );
  }
}

/** RFC 7518, section 3.2: a key for HS256 has at least as many bits as its hash. */
const MIN_SECRET_BYTES = 32;
/** RFC 7518, section 3.3. */
const MIN_RSA_BITS = 2048;

/**
 * Turns the environment into the one typed configuration.
 *
 * @throws ConfigError with the full list of mistakes, never only the first one
 */
export function parseEnvironment(raw: RawEnvironment): AppConfig {
  const present = Object.fromEntries(
    Object.entries(raw).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const environment = plainToInstance(Environment, present, { exposeDefaultValues: true });
  const mistakes = validateSync(environment).flatMap(
    // One sentence a variable: the first of several failed constraints says it all.
    (error) => Object.values(error.constraints ?? {}).slice(0, 1),
  );
  const key = parseJwtKey(environment, mistakes);
  const origins = parseOrigins(environment.CORS_ORIGINS, mistakes);
  checkCombinations(environment, key, mistakes);
  if (mistakes.length > 0) {
    throw new ConfigError(mistakes);
  }
  return buildConfig(environment, key, origins);
}

function parseJwtKey(environment: Environment, mistakes: string[]): JwtKeyConfig {
  const { JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL } = environment;
  if ([JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL].filter(Boolean).length > 1) {
    mistakes.push('Set only one of JWT_SECRET, JWT_PUBLIC_KEY and JWT_JWKS_URL');
  }
  if (JWT_PUBLIC_KEY) {
    return parsePublicKey(JWT_PUBLIC_KEY, mistakes);
  }
  if (JWT_JWKS_URL) {
    return { kind: 'jwks', url: JWT_JWKS_URL };
  }
  if (JWT_SECRET) {
    if (environment.NODE_ENV === 'production' && Buffer.byteLength(JWT_SECRET) < MIN_SECRET_BYTES) {
      mistakes.push(`JWT_SECRET must have at least ${MIN_SECRET_BYTES} bytes in production`);
    }
    return { kind: 'secret', secret: JWT_SECRET };
  }
  return { kind: 'generated' };
}

function parsePublicKey(text: string, mistakes: string[]): JwtKeyConfig {
  // Many places that hold environment variables cannot hold line breaks, so "\n" may be written out.
  const pem = text.replaceAll(String.raw`\n`, '\n');
  let algorithm: 'RS256' | 'ES256' = 'RS256';
  try {
    const key = createPublicKey(pem);
    const { namedCurve: curve, modulusLength: bits = 0 } = key.asymmetricKeyDetails ?? {};
    if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1') {
      algorithm = 'ES256';
    } else if (key.asymmetricKeyType !== 'rsa') {
      mistakes.push('JWT_PUBLIC_KEY must be an RSA key (RS256) or an EC key on P-256 (ES256)');
    } else if (bits < MIN_RSA_BITS) {
      mistakes.push(`JWT_PUBLIC_KEY must have at least ${MIN_RSA_BITS} bits`);
    }
    if (pem.includes('PRIVATE KEY')) {
      mistakes.push(
        'JWT_PUBLIC_KEY is a private key: whoever has that can issue tokens, so give only the public one',
      );
    }
  } catch {
    mistakes.push('JWT_PUBLIC_KEY must be a public key in PEM form');
  }
  return { kind: 'public-key', pem, algorithm };
}

function parseOrigins(text: string | undefined, mistakes: string[]): string[] {
  const origins = (text ?? '')
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  for (const origin of origins) {
    if (origin !== '*' && !isOrigin(origin)) {
      mistakes.push(
        `CORS_ORIGINS must be origins like https://app.example.com, separated by commas; "${origin}" is not`,
      );
    }
  }
  return origins;
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

/** Rules over more than one variable. */
function checkCombinations(environment: Environment, key: JwtKeyConfig, mistakes: string[]): void {
  if (environment.NODE_ENV === 'production' && environment.ALLOW_EMBEDDED !== true) {
    const missing: [absent: boolean, sentence: string][] = [
      [
        !environment.DATABASE_URL,
        'DATABASE_URL is missing: in production the database is your own PostgreSQL',
      ],
      [!environment.REDIS_URL, 'REDIS_URL is missing: in production jobs are kept in Redis'],
      [
        environment.STORAGE_DRIVER !== 'gcs',
        'STORAGE_DRIVER=gcs is missing: in production files are kept in a bucket',
      ],
      // With the driver they are asked for anyway.
      ...BUCKETS.map(([name, what]): [boolean, string] => [
        environment.STORAGE_DRIVER !== 'gcs' && !environment[name],
        `${name} is missing: ${what}`,
      ]),
      [
        key.kind === 'generated',
        'JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL is missing: nobody could be authenticated',
      ],
    ];
    const sentences = missing.filter(([absent]) => absent).map(([, sentence]) => sentence);
    if (sentences.length > 0) {
      mistakes.push(
        ...sentences,
        'To run on the embedded parts in production on purpose, set ALLOW_EMBEDDED=true',
      );
    }
  }
  checkGcs(environment, mistakes);
  checkDatabase(environment, mistakes);
  checkRole(environment, mistakes);
  checkPair(environment, mistakes, 'QUEUE_DASHBOARD_USER', 'QUEUE_DASHBOARD_PASSWORD');
  if (environment.QUEUE_DASHBOARD_USER && !environment.REDIS_URL) {
    mistakes.push('QUEUE_DASHBOARD_USER needs REDIS_URL: only the queue on Redis has a dashboard');
  }
}

const BUCKETS = [
  ['STORAGE_BUCKET', 'the bucket of verified files'],
  ['STORAGE_UPLOAD_BUCKET', 'the private bucket where uploads land'],
] as const;

function checkGcs(environment: Environment, mistakes: string[]): void {
  if (environment.STORAGE_DRIVER !== 'gcs') {
    return;
  }
  for (const [name, what] of BUCKETS) {
    if (!environment[name]) {
      mistakes.push(`${name} is missing: ${what}`);
    }
  }
  if (environment.STORAGE_BUCKET && environment.STORAGE_BUCKET === environment.STORAGE_UPLOAD_BUCKET) {
    mistakes.push(
      'STORAGE_UPLOAD_BUCKET must be another bucket than STORAGE_BUCKET: unverified files are never public',
    );
  }
  checkPair(environment, mistakes, 'GCS_HMAC_ACCESS_ID', 'GCS_HMAC_SECRET');
}

function checkPair(
  environment: Environment,
  mistakes: string[],
  first: keyof Environment,
  second: keyof Environment,
): void {
  if (Boolean(environment[first]) !== Boolean(environment[second])) {
    mistakes.push(`Set both ${first} and ${second}, or neither`);
  }
}

/** A way around a pooler makes no sense without a way through it. */
function checkDatabase(environment: Environment, mistakes: string[]): void {
  if (environment.DATABASE_DIRECT_URL && !environment.DATABASE_URL) {
    mistakes.push(
      'DATABASE_DIRECT_URL is set without DATABASE_URL: it is the way around what that URL goes through',
    );
  }
}

/** Processes with different roles meet in the database and the queue, so both have to be outside of them. */
function checkRole(environment: Environment, mistakes: string[]): void {
  if (environment.ROLE === 'all') {
    return;
  }
  if (!environment.DATABASE_URL) {
    mistakes.push(
      `ROLE=${environment.ROLE} needs DATABASE_URL: the embedded database belongs to one process`,
    );
  }
  if (!environment.REDIS_URL) {
    mistakes.push(`ROLE=${environment.ROLE} needs REDIS_URL: the in-process queue belongs to one process`);
  }
}

function buildConfig(environment: Environment, key: JwtKeyConfig, corsOrigins: string[]): AppConfig {
  const production = environment.NODE_ENV === 'production';
  const host = environment.HOST ?? (production ? '0.0.0.0' : '127.0.0.1');
  const publicBaseUrl = withoutSlash(
    environment.PUBLIC_BASE_URL ?? `http://${reachableHost(host)}:${environment.PORT}`,
  );
  return deepFreeze({
    nodeEnv: environment.NODE_ENV,
    role: environment.ROLE,
    logLevel: environment.LOG_LEVEL,
    dataDir: resolve(environment.DATA_DIR),
    http: {
      host,
      port: environment.PORT,
      publicBaseUrl,
      corsOrigins,
      rateLimitPerMinute: environment.RATE_LIMIT_PER_MINUTE,
    },
    database: {
      url: environment.DATABASE_URL ?? null,
      directUrl: environment.DATABASE_DIRECT_URL ?? environment.DATABASE_URL ?? null,
      poolSize: environment.DATABASE_POOL_SIZE,
    },
    redis: { url: environment.REDIS_URL ?? null },
    queueDashboard: dashboardOf(environment),
    storage: {
      driver: environment.STORAGE_DRIVER,
      bucket: environment.STORAGE_BUCKET ?? 'media',
      uploadBucket: environment.STORAGE_UPLOAD_BUCKET ?? 'uploads',
      access: environment.STORAGE_ACCESS,
      publicBaseUrl: withoutSlash(
        environment.STORAGE_PUBLIC_BASE_URL ?? readBaseUrl(environment, publicBaseUrl),
      ),
      readUrlTtlSeconds: environment.READ_URL_TTL_SECONDS,
      gcs: {
        projectId: environment.GCS_PROJECT_ID ?? null,
        apiEndpoint: environment.GCS_API_ENDPOINT ? withoutSlash(environment.GCS_API_ENDPOINT) : null,
        credentialsFile: environment.GCS_CREDENTIALS_FILE ?? null,
        hmacKey: hmacKeyOf(environment),
      },
    },
    auth: {
      key,
      issuer: environment.JWT_ISSUER ?? null,
      audience: environment.JWT_AUDIENCE ?? null,
      provisioning: environment.USER_PROVISIONING,
    },
    media: {
      uploadUrlTtlSeconds: environment.UPLOAD_URL_TTL_SECONDS,
      directUploadMaxBytes: environment.DIRECT_UPLOAD_MAX_BYTES,
      imageMaxBytes: environment.IMAGE_MAX_BYTES,
      imageMaxPixels: environment.IMAGE_MAX_PIXELS,
      quotaBytes: environment.QUOTA_BYTES,
    },
    worker: {
      concurrency: environment.WORKER_CONCURRENCY ?? availableParallelism() + 2,
      sweepIntervalSeconds: environment.SWEEP_INTERVAL_SECONDS,
      processingTimeoutSeconds: environment.PROCESSING_TIMEOUT_SECONDS,
      jobAttempts: environment.JOB_ATTEMPTS,
    },
  });
}

function dashboardOf({
  QUEUE_DASHBOARD_USER,
  QUEUE_DASHBOARD_PASSWORD,
}: Environment): AppConfig['queueDashboard'] {
  return QUEUE_DASHBOARD_USER && QUEUE_DASHBOARD_PASSWORD
    ? { user: QUEUE_DASHBOARD_USER, password: QUEUE_DASHBOARD_PASSWORD }
    : null;
}

function hmacKeyOf({ GCS_HMAC_ACCESS_ID, GCS_HMAC_SECRET }: Environment): HmacKey | null {
  return GCS_HMAC_ACCESS_ID && GCS_HMAC_SECRET
    ? { accessId: GCS_HMAC_ACCESS_ID, secret: GCS_HMAC_SECRET }
    : null;
}

/** Where a plain read URL leads: to the bucket itself, or to our own route over the local disk. */
function readBaseUrl(environment: Environment, publicBaseUrl: string): string {
  return environment.STORAGE_DRIVER === 'gcs'
    ? `${environment.GCS_API_ENDPOINT ?? 'https://storage.googleapis.com'}/${environment.STORAGE_BUCKET}`
    : `${publicBaseUrl}/v1/storage/media`;
}

/** A wildcard address is where a server listens, not where a client can go. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') {
    return 'localhost';
  }
  return host.includes(':') ? `[${host}]` : host;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value) as unknown[]) {
    if (typeof member === 'object' && member !== null) {
      deepFreeze(member);
    }
  }
  return Object.freeze(value);
}
