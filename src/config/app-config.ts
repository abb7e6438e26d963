export type NodeEnv = 'development' | 'production' | 'test';
export type Role = 'api' | 'worker' | 'all';
export type StorageDriver = 'local' | 'gcs';
export type StorageAccess = 'public' | 'private';
export type UserProvisioning = 'auto' | 'manual';

/** How bearer tokens are verified. The algorithm follows from the kind of key, never from the token. */
export type JwtKeyConfig =
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'public-key'; readonly pem: string; readonly algorithm: 'RS256' | 'ES256' }
  | { readonly kind: 'jwks'; readonly url: string }
  /** No setting: a secret is made once and kept in the data folder. */
  | { readonly kind: 'generated' };

/** An HMAC key of a service account, as `gcloud storage hmac create` shows it. */
export interface HmacKey {
  readonly accessId: string;
  /** Used as the text that it is, though it looks like Base64. */
  readonly secret: string;
}

/** The one typed view of the environment. Frozen; made by `parseEnvironment`, injected as `APP_CONFIG`. */
export interface AppConfig {
  readonly nodeEnv: NodeEnv;
  readonly role: Role;
  readonly logLevel: string;
  /** Absolute path. */
  readonly dataDir: string;
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Without a trailing slash. */
    readonly publicBaseUrl: string;
    readonly corsOrigins: readonly string[];
    readonly rateLimitPerMinute: number;
  };
  readonly database: {
    /** null: the embedded server. */
    readonly url: string | null;
    /** Past a pooler in between, for locks that belong to a connection; the same as `url` where there is none. */
    readonly directUrl: string | null;
    readonly poolSize: number;
  };
  readonly redis: {
    /** null: the in-process queue. */
    readonly url: string | null;
  };
  /** Who may look at the queue in a browser; null: nobody. */
  readonly queueDashboard: { readonly user: string; readonly password: string } | null;
  readonly storage: {
    readonly driver: StorageDriver;
    readonly bucket: string;
    readonly uploadBucket: string;
    readonly access: StorageAccess;
    /** Without a trailing slash; what `publicUrl` starts with when access is public. */
    readonly publicBaseUrl: string;
    readonly readUrlTtlSeconds: number;
    readonly gcs: {
      /** null: as the credentials say. */
      readonly projectId: string | null;
      /** null: Google's own. */
      readonly apiEndpoint: string | null;
      /** null: Application Default Credentials. */
      readonly credentialsFile: string | null;
      /** What URLs are signed with; null: whatever the credentials have. */
      readonly hmacKey: HmacKey | null;
    };
  };
  readonly auth: {
    readonly key: JwtKeyConfig;
    readonly issuer: string | null;
    readonly audience: string | null;
    readonly provisioning: UserProvisioning;
  };
  readonly media: {
    readonly uploadUrlTtlSeconds: number;
    readonly directUploadMaxBytes: number;
    readonly imageMaxBytes: number;
    readonly imageMaxPixels: number;
    readonly quotaBytes: number;
  };
  readonly worker: {
    readonly concurrency: number;
    readonly sweepIntervalSeconds: number;
    readonly processingTimeoutSeconds: number;
    readonly jobAttempts: number;
  };
}

/** Injection token of {@link AppConfig}. */
export const APP_CONFIG = Symbol('APP_CONFIG');
