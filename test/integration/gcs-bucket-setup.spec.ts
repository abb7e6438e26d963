import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseEnvironment } from '../../src/config/parse-environment.js';
import { setUpBuckets } from '../../src/storage/gcs/bucket-setup.js';
import { GcsObjectStorage } from '../../src/storage/gcs/gcs-object-storage.js';
import { StorageUnavailableError } from '../../src/storage/storage.errors.js';
import { newKey } from '../contract/object-storage.harness.js';
import { type Gcs, startGcs } from '../support/gcs/start-gcs.js';
import { Installation } from '../support/installation.js';

const APP = 'https://app.example.com';
const MEDIA = 'mediadock-media';
const UPLOADS = 'mediadock-uploads';
const ONE_DAY = { action: { type: 'Delete' }, condition: { age: 1 } };
const EVERYBODY_READS = { role: 'roles/storage.legacyObjectReader', members: ['allUsers'] };

/** Runs the compiled command in a process and a folder of its own. */
async function command(environment: object, ...args: string[]) {
  const installation = await Installation.create({ ...environment });
  const result = await installation.command('storage-setup', ...args);
  await installation.remove();
  return result;
}

describe(setUpBuckets.name, () => {
  let gcs: Gcs;

  beforeEach(async () => {
    gcs = await startGcs({ buckets: false });
  });

  afterEach(async () => {
    await gcs.close();
  });

  function configOf(environment: Record<string, string> = {}) {
    return parseEnvironment({ ...gcs.environment, CORS_ORIGINS: APP, ...environment });
  }

  async function setUp(
    environment: Record<string, string> = {},
    { location = null, dryRun = false }: { location?: string | null; dryRun?: boolean } = {},
  ): Promise<string[]> {
    const sentences: string[] = [];
    for await (const sentence of setUpBuckets(configOf(environment), { location, dryRun })) {
      sentences.push(sentence);
    }
    return sentences;
  }

  function bucket(name: string) {
    return gcs.server.store.bucket(name);
  }

  it('creates both buckets, and says so', async () => {
    expect(await setUp({}, { location: 'EUROPE-WEST3' })).toEqual([
      'mediadock-uploads: done: create the bucket in EUROPE-WEST3',
      'mediadock-uploads: done: let browsers from https://app.example.com send PUT (CORS)',
      'mediadock-uploads: done: delete every object after one day',
      'mediadock-media: done: create the bucket in EUROPE-WEST3',
      'mediadock-media: done: let browsers from https://app.example.com send GET, HEAD (CORS)',
      'mediadock-media: done: let everybody read a file whose URL they have',
    ]);
    expect(bucket(UPLOADS).settings).toEqual({
      location: 'EUROPE-WEST3',
      iamConfiguration: {
        uniformBucketLevelAccess: { enabled: true },
        publicAccessPrevention: 'enforced',
      },
      cors: [
        {
          origin: [APP],
          method: ['PUT'],
          responseHeader: ['Content-Type', 'x-goog-content-length-range', 'x-goog-if-generation-match'],
          maxAgeSeconds: 3600,
        },
      ],
      lifecycle: { rule: [ONE_DAY] },
      softDeletePolicy: { retentionDurationSeconds: 0 },
    });
    expect(bucket(MEDIA).settings).not.toHaveProperty('softDeletePolicy');
    expect(bucket(UPLOADS).policy.bindings).toEqual([]);
    expect(bucket(MEDIA).settings).toMatchObject({
      location: 'EUROPE-WEST3',
      iamConfiguration: {
        uniformBucketLevelAccess: { enabled: true },
        publicAccessPrevention: 'inherited',
      },
    });
    expect(bucket(MEDIA).settings).not.toHaveProperty('lifecycle');
    expect(bucket(MEDIA).policy.bindings).toEqual([EVERYBODY_READS]);
  });

  it.each(['public', 'private'])('finds nothing to do the second time, with %s access', async (access) => {
    await setUp({ STORAGE_ACCESS: access });
    const before = [bucket(UPLOADS).metageneration, bucket(MEDIA).metageneration];

    expect(await setUp({ STORAGE_ACCESS: access })).toEqual([
      'mediadock-uploads: is as it has to be',
      'mediadock-media: is as it has to be',
    ]);
    expect([bucket(UPLOADS).metageneration, bucket(MEDIA).metageneration]).toEqual(before);
  });

  it('says what there is to do and does none of it in a dry run', async () => {
    gcs.server.store.createBucket(MEDIA, {});

    expect(await setUp({}, { dryRun: true })).toEqual([
      'mediadock-uploads: to do: create the bucket',
      'mediadock-uploads: to do: let browsers from https://app.example.com send PUT (CORS)',
      'mediadock-uploads: to do: delete every object after one day',
      'mediadock-media: to do: turn on uniform bucket-level access',
      'mediadock-media: to do: let browsers from https://app.example.com send GET, HEAD (CORS)',
      'mediadock-media: to do: let everybody read a file whose URL they have',
    ]);
    expect(gcs.server.store.hasBucket(UPLOADS)).toBe(false);
    expect(bucket(MEDIA)).toMatchObject({ metageneration: 1, policy: { bindings: [] } });
  });

  it('lets an upload bucket keep nothing of what was deleted; of files, that is for the operator to decide', async () => {
    const keeping = {
      softDeletePolicy: { retentionDurationSeconds: '604800' },
      versioning: { enabled: true },
    };
    await setUp();
    for (const name of [UPLOADS, MEDIA]) {
      gcs.server.store.updateBucket(name, keeping, null);
    }
    expect(await setUp()).toEqual([
      'mediadock-uploads: done: keep nothing of what was deleted (soft delete)',
      'mediadock-uploads: done: keep no older versions',
      'mediadock-media: is as it has to be',
    ]);
    expect(bucket(UPLOADS).settings).toMatchObject({
      softDeletePolicy: { retentionDurationSeconds: 0 },
      versioning: { enabled: false },
    });
    expect(bucket(MEDIA).settings).toMatchObject(keeping);
  });

  it('makes buckets right that were made by hand, and keeps what is none of its business', async () => {
    const archive = { action: { type: 'SetStorageClass', storageClass: 'NEARLINE' }, condition: { age: 30 } };
    const admins = { role: 'roles/storage.admin', members: ['group:admins@example.com'] };
    gcs.server.store.createBucket(UPLOADS, { lifecycle: { rule: [archive] } });
    gcs.server.store.createBucket(MEDIA, {
      iamConfiguration: { publicAccessPrevention: 'enforced' },
      cors: [{ origin: ['*'], method: ['GET'] }],
    });
    gcs.server.store.setPolicy(MEDIA, { etag: 'CAE=', bindings: [admins] });

    await setUp();

    expect(bucket(UPLOADS).settings).toMatchObject({
      iamConfiguration: { publicAccessPrevention: 'enforced' },
      lifecycle: { rule: [archive, ONE_DAY] },
    });
    expect(bucket(MEDIA).settings.cors).toMatchObject([{ origin: [APP], method: ['GET', 'HEAD'] }]);
    expect(bucket(MEDIA).policy.bindings).toEqual([admins, EVERYBODY_READS]);
  });

  it('does not leave everybody a list of all names', async () => {
    gcs.server.store.createBucket(MEDIA, {});
    const viewers = { role: 'roles/storage.objectViewer', members: ['allUsers', 'user:ann@example.com'] };
    gcs.server.store.setPolicy(MEDIA, { etag: 'CAE=', bindings: [viewers] });

    expect(await setUp()).toContain(
      'mediadock-media: done: stop letting everybody list the names of all files',
    );
    expect(gcs.server.store.publicAccess(MEDIA)).toEqual({ read: true, list: false });
    expect(bucket(MEDIA).policy.bindings).toContainEqual({ ...viewers, members: ['user:ann@example.com'] });
  });

  it('closes the media bucket when access becomes private', async () => {
    await setUp();

    expect(await setUp({ STORAGE_ACCESS: 'private' })).toContain(
      'mediadock-media: done: prevent public access',
    );
    expect(gcs.server.store.publicAccess(MEDIA)).toEqual({ read: false, list: false });
  });

  it('lets no browser in when no origin is configured', async () => {
    await setUp();

    expect(await setUp({ CORS_ORIGINS: '' })).toEqual([
      'mediadock-uploads: done: let no browser of another origin in (CORS_ORIGINS is empty)',
      'mediadock-media: done: let no browser of another origin in (CORS_ORIGINS is empty)',
    ]);
    expect([bucket(UPLOADS).settings.cors, bucket(MEDIA).settings.cors]).toEqual([[], []]);
  });

  it('leaves buckets in which a browser can upload and everybody can read', async () => {
    await setUp();
    const storage = await GcsObjectStorage.fromConfig(configOf().storage);
    const key = newKey();
    const { url, headers } = await storage.signUpload({
      key,
      contentType: 'image/jpeg',
      contentLength: 3,
      expiresAt: new Date(Date.now() + 60_000),
    });
    const preflight = async (origin: string) => {
      const asked = {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': Object.keys(headers).join(', '),
      };
      const response = await fetch(url, { method: 'OPTIONS', headers: asked });
      return response.headers.get('access-control-allow-origin');
    };

    expect(await preflight(APP)).toBe(APP);
    expect(await preflight('https://other.example.com')).toBeNull();
    const put = await fetch(url, { method: 'PUT', headers: { ...headers, origin: APP }, body: 'abc' });
    expect(put.headers.get('access-control-allow-origin')).toBe(APP);

    const stat = await storage.stat('uploads', key);
    await storage.promote(key, stat?.generation ?? '', {
      contentType: 'image/jpeg',
      originalFileName: 'a.jpg',
    });
    const read = await fetch(await storage.readUrl(key), { headers: { origin: APP } });
    expect([read.status, read.headers.get('access-control-allow-origin')]).toEqual([200, APP]);
  });

  it.each([
    ['creating a bucket', ({ method }: { method: string }) => method === 'POST'],
    ['changing a bucket', ({ method }: { method: string }) => method === 'PATCH'],
    ['opening a bucket', ({ method }: { method: string }) => method === 'PUT'],
  ])('comes to the same end when the answer to %s is lost', async (_, matches) => {
    gcs.faults.next(1, { kind: 'answer-lost' }, matches);

    await setUp();

    expect(await setUp()).toEqual([
      'mediadock-uploads: is as it has to be',
      'mediadock-media: is as it has to be',
    ]);
  });

  it('says why when it may not', async () => {
    gcs.faults.always({ kind: 'status', status: 403 });

    const failure = await setUp().catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(StorageUnavailableError);
    expect(failure).toMatchObject({ cause: { code: 403 } });
  });

  describe('as a command', () => {
    it('says what there is to do in a dry run', async () => {
      const { code, stdout, stderr } = await command(gcs.environment, '--dry-run');

      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^mediadock-uploads: to do: create the bucket\n[^]*\nNothing was changed\n$/);
      expect(gcs.server.store.hasBucket(UPLOADS)).toBe(false);
    });

    it('does it, and says so', async () => {
      const { code, stdout, stderr } = await command(gcs.environment, '--location=EU');

      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^mediadock-uploads: done: create the bucket in EU\n[^]*\nDone\n$/);
      expect(bucket(MEDIA).settings.location).toBe('EU');
    });

    it('says why when it may not', async () => {
      gcs.faults.always({ kind: 'status', status: 403 });

      const { code, stderr } = await command(gcs.environment);

      expect(code).toBe(1);
      expect(stderr).toMatch(/^Google Cloud Storage did not do it: /);
    });

    it('refuses what it does not know', async () => {
      const { code, stderr } = await command(gcs.environment, '--force');

      expect(code).toBe(2);
      expect(stderr).toContain('Usage: npm run storage:setup');
    });

    it('has nothing to do when files are kept on the local disk', async () => {
      const { code, stdout } = await command({});

      expect(code).toBe(0);
      expect(stdout).toContain('there is nothing to set up');
    });
  });
});
