import type { NodeEnv, Role, StorageAccess, StorageDriver, UserProvisioning } from './app-config.js';
import { Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';

const POSITIVE_INTEGER = /^\d{1,16}$/;

/** Leaves what is not a whole number as it is, so that validation can name it instead of a silent NaN. */
function Whole(minimum: number, maximum: number): PropertyDecorator {
  return (target, key) => {
    const name = String(key);
    const message = `${name} must be a whole number from ${minimum} to ${maximum}`;
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' && POSITIVE_INTEGER.test(value.trim()) ? Number(value) : value,
    )(target, key);
    IsInt({ message })(target, key);
    Min(minimum, { message })(target, key);
    Max(maximum, { message })(target, key);
  };
}

function OneOf(...choices: readonly string[]): PropertyDecorator {
  return (target, key) =>
    IsIn(choices, { message: `${String(key)} must be one of: ${choices.join(', ')}` })(target, key);
}

function HttpUrl({ query }: { query: boolean } = { query: true }): PropertyDecorator {
  return (target, key) => {
    const rest = query ? '' : ', without query, fragment and password: paths are put behind it';
    const message = `${String(key)} must be a URL that starts with http:// or https://${rest}`;
    IsUrl(
      {
        protocols: ['http', 'https'],
        require_protocol: true,
        require_tld: false,
        // Service names in a Compose file may have them.
        allow_underscores: true,
        allow_query_components: query,
        allow_fragments: query,
        disallow_auth: !query,
      },
      { message },
    )(target, key);
  };
}

/** One that other URLs begin with, which clients get to see. */
const BaseUrl = () => HttpUrl({ query: false });

const MEBIBYTE = 1024 * 1024;
const BUCKET_NAME = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;

/**
 * The environment as it is written, one property a variable, with its default. Empty values count as absent.
 * Nothing outside `src/config` reads this class: it becomes an `AppConfig` once and for all.
 */
export class Environment {
  @OneOf('development', 'production', 'test')
  NODE_ENV: NodeEnv = 'development';

  @Whole(1, 65_535)
  PORT = 3000;

  @IsOptional()
  @IsString()
  HOST?: string;

  @OneOf('api', 'worker', 'all')
  ROLE: Role = 'all';

  @IsOptional()
  @BaseUrl()
  PUBLIC_BASE_URL?: string;

  @IsString()
  @MinLength(1)
  DATA_DIR = '.data';

  @OneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent')
  LOG_LEVEL = 'info';

  @IsOptional()
  @IsString()
  CORS_ORIGINS?: string;

  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean({ message: 'ALLOW_EMBEDDED must be true or false' })
  ALLOW_EMBEDDED?: boolean;

  @IsOptional()
  @Matches(/^postgres(ql)?:\/\/\S+$/, {
    message: 'DATABASE_URL must be a URL that starts with postgres:// or postgresql://',
  })
  DATABASE_URL?: string;

  @IsOptional()
  @Matches(/^postgres(ql)?:\/\/\S+$/, {
    message: 'DATABASE_DIRECT_URL must be a URL that starts with postgres:// or postgresql://',
  })
  DATABASE_DIRECT_URL?: string;

  @Whole(1, 1000)
  DATABASE_POOL_SIZE = 10;

  @IsOptional()
  @Matches(/^rediss?:\/\/\S+$/, { message: 'REDIS_URL must be a URL that starts with redis:// or rediss://' })
  REDIS_URL?: string;

  @OneOf('local', 'gcs')
  STORAGE_DRIVER: StorageDriver = 'local';

  @IsOptional()
  @Matches(BUCKET_NAME, {
    message: 'STORAGE_BUCKET must be a bucket name: a-z, 0-9, dots, dashes, underscores',
  })
  STORAGE_BUCKET?: string;

  @IsOptional()
  @Matches(BUCKET_NAME, {
    message: 'STORAGE_UPLOAD_BUCKET must be a bucket name: a-z, 0-9, dots, dashes, underscores',
  })
  STORAGE_UPLOAD_BUCKET?: string;

  @OneOf('public', 'private')
  STORAGE_ACCESS: StorageAccess = 'public';

  @IsOptional()
  @BaseUrl()
  STORAGE_PUBLIC_BASE_URL?: string;

  @IsOptional()
  @IsString()
  GCS_PROJECT_ID?: string;

  @IsOptional()
  @BaseUrl()
  GCS_API_ENDPOINT?: string;

  @IsOptional()
  @IsString()
  GCS_CREDENTIALS_FILE?: string;

  @IsOptional()
  @Matches(/^[A-Za-z0-9]+$/, {
    message: 'GCS_HMAC_ACCESS_ID must be the access ID of an HMAC key: letters and digits',
  })
  GCS_HMAC_ACCESS_ID?: string;

  @IsOptional()
  @Matches(/^[A-Za-z0-9+/=]{40}$/, {
    message: 'GCS_HMAC_SECRET must be the secret of an HMAC key: 40 characters of Base64',
  })
  GCS_HMAC_SECRET?: string;

  @IsOptional()
  @IsString()
  QUEUE_DASHBOARD_USER?: string;

  @IsOptional()
  @IsString()
  @MinLength(12, { message: 'QUEUE_DASHBOARD_PASSWORD must have at least 12 characters' })
  QUEUE_DASHBOARD_PASSWORD?: string;

  @IsOptional()
  @IsString()
  JWT_SECRET?: string;

  @IsOptional()
  @IsString()
  JWT_PUBLIC_KEY?: string;

  @IsOptional()
  @HttpUrl()
  JWT_JWKS_URL?: string;

  @IsOptional()
  @IsString()
  @MaxLength(2048)
  JWT_ISSUER?: string;

  @IsOptional()
  @IsString()
  @MaxLength(2048)
  JWT_AUDIENCE?: string;

  @OneOf('auto', 'manual')
  USER_PROVISIONING: UserProvisioning = 'auto';

  /** The uploads area forgets everything after a day, so no window may be longer. */
  @Whole(1, 86_400)
  UPLOAD_URL_TTL_SECONDS = 900;

  /** V4 signed URLs cannot live longer than seven days (Google Cloud Storage, "Signed URLs"). */
  @Whole(1, 604_800)
  READ_URL_TTL_SECONDS = 3600;

  /** The direct route keeps a whole file in memory, so its limit stays small. */
  @Whole(1, 16 * MEBIBYTE)
  DIRECT_UPLOAD_MAX_BYTES = MEBIBYTE;

  /** The worker keeps one original per job in memory. */
  @Whole(1, 256 * MEBIBYTE)
  IMAGE_MAX_BYTES = 10 * MEBIBYTE;

  /** libvips counts up to 2^28 pixels in the loaders that we allow. */
  @Whole(1, 268_435_456)
  IMAGE_MAX_PIXELS = 100_000_000;

  @Whole(0, Number.MAX_SAFE_INTEGER)
  QUOTA_BYTES = 1024 * MEBIBYTE;

  @IsOptional()
  @Whole(1, 256)
  WORKER_CONCURRENCY?: number;

  @Whole(1, 86_400)
  SWEEP_INTERVAL_SECONDS = 30;

  @Whole(1, 3600)
  PROCESSING_TIMEOUT_SECONDS = 60;

  @Whole(1, 100)
  JOB_ATTEMPTS = 5;

  @Whole(1, 1_000_000_000)
  RATE_LIMIT_PER_MINUTE = 600;
}
