import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RawEnvironment } from '../../../src/config/parse-environment.js';
import type { StorageArea } from '../../../src/storage/object-storage.js';
import type { Faults } from './faults.js';
import { GcsServer } from './gcs-server.js';

export interface GcsOptions {
  /** Whether everybody may read the media bucket; `public` by default. */
  readonly access?: 'public' | 'private';
  /** Origins of browsers that may PUT and GET. */
  readonly corsOrigins?: readonly string[];
  /** False to begin without any bucket. */
  readonly buckets?: boolean;
  /** True to turn away calls of the JSON API without a token. */
  readonly requiresTokens?: boolean;
}

export interface Gcs {
  readonly origin: string;
  /** The key file of the service account. */
  readonly credentialsFile: string;
  /** What the application has to be told to use this store. */
  readonly environment: RawEnvironment;
  /** What it has to be told, too, to sign URLs with an HMAC key. */
  readonly hmacEnvironment: RawEnvironment;
  readonly faults: Faults;
  readonly server: GcsServer;
  /** Names of all objects of an area that have bytes. */
  objects(area: StorageArea): string[];
  /** Cuts all connections and refuses new ones, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

const BUCKETS = { media: 'mediadock-media', uploads: 'mediadock-uploads' } as const;

/** Starts a strict Cloud Storage with both buckets as Mediadock needs them. */
export async function startGcs(options: GcsOptions = {}): Promise<Gcs> {
  const { access = 'public', corsOrigins = [] } = options;
  const server = new GcsServer(options.requiresTokens);
  await server.up();
  const folder = await mkdtemp(join(tmpdir(), 'mediadock-gcs-'));
  const credentialsFile = join(folder, 'service-account.json');
  await writeFile(credentialsFile, server.identity.keyFile(`${server.origin}/token`), { mode: 0o600 });
  if (options.buckets ?? true) {
    makeBuckets(server, access, corsOrigins);
  }
  return {
    origin: server.origin,
    credentialsFile,
    environment: {
      STORAGE_DRIVER: 'gcs',
      STORAGE_ACCESS: access,
      STORAGE_BUCKET: BUCKETS.media,
      STORAGE_UPLOAD_BUCKET: BUCKETS.uploads,
      STORAGE_PUBLIC_BASE_URL: `${server.origin}/${BUCKETS.media}`,
      GCS_API_ENDPOINT: server.origin,
      GCS_PROJECT_ID: server.identity.projectId,
      GCS_CREDENTIALS_FILE: credentialsFile,
    },
    hmacEnvironment: {
      GCS_HMAC_ACCESS_ID: server.identity.hmacKey.accessId,
      GCS_HMAC_SECRET: server.identity.hmacKey.secret,
    },
    faults: server.faults,
    server,
    objects: (area) =>
      [...server.store.bucket(BUCKETS[area]).objects.values()]
        .filter(({ bytes }) => bytes.length > 0)
        .map(({ name }) => name),
    down: () => server.down(),
    up: () => server.up(),
    close: async () => {
      await server.down();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function makeBuckets(server: GcsServer, access: string, corsOrigins: readonly string[]): void {
  const uniformBucketLevelAccess = { enabled: true };
  server.store.createBucket(BUCKETS.uploads, {
    iamConfiguration: { uniformBucketLevelAccess, publicAccessPrevention: 'enforced' },
    cors: [
      {
        origin: corsOrigins,
        method: ['PUT'],
        responseHeader: ['Content-Type', 'x-goog-content-length-range', 'x-goog-if-generation-match'],
      },
    ],
  });
  const { policy } = server.store.createBucket(BUCKETS.media, {
    iamConfiguration: {
      uniformBucketLevelAccess,
      publicAccessPrevention: access === 'public' ? 'inherited' : 'enforced',
    },
    cors: [{ origin: corsOrigins, method: ['GET', 'HEAD'], responseHeader: ['Content-Type'] }],
  });
  if (access === 'public') {
    const bindings = [{ role: 'roles/storage.legacyObjectReader', members: ['allUsers'] }];
    server.store.setPolicy(BUCKETS.media, { etag: policy.etag, bindings });
  }
}
