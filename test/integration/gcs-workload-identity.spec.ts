import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HmacKey } from '../../src/config/app-config.js';
import { GcsObjectStorage } from '../../src/storage/gcs/gcs-object-storage.js';
import { StorageUnavailableError } from '../../src/storage/storage.errors.js';
import { newKey } from '../contract/object-storage.harness.js';
import type { FaultTarget } from '../support/gcs/faults.js';
import { GcsStage, JPEG } from '../support/gcs/gcs-stage.js';

const BYTES = Buffer.from('abc');
const SIGNING = ':signBlob';

function isSigning({ path }: FaultTarget): boolean {
  return path.endsWith(SIGNING);
}

describe(`${GcsObjectStorage.name} without any key, as on Google's own machines`, () => {
  let stage: GcsStage;
  let sut: GcsObjectStorage;
  let home: string;

  beforeAll(async () => {
    stage = await GcsStage.start({ access: 'private', requiresTokens: true });
    home = await mkdtemp(join(tmpdir(), 'mediadock-home-'));
    // Only the metadata server is left to ask, and it is this one.
    vi.stubEnv('GCE_METADATA_HOST', new URL(stage.gcs.origin).host);
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
    vi.stubEnv('HOME', home);
    sut = newStorage();
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    await stage.gcs.close();
    await rm(home, { recursive: true, force: true });
  });

  function newStorage(hmacKey: HmacKey | null = null): GcsObjectStorage {
    return stage.storageWith({
      hmacKey,
      serviceAccount: null,
      sendTokens: true,
      signingEndpoint: `${stage.gcs.origin}/v1/projects/-/serviceAccounts/`,
    });
  }

  function signatures(): number {
    return stage.gcs.server.requests.filter((request) => request.endsWith(SIGNING)).length;
  }

  async function put(key: string, storage = sut): Promise<Response> {
    const { url, headers } = await storage.signUpload({
      key,
      contentType: 'image/jpeg',
      contentLength: BYTES.length,
      expiresAt: new Date(Date.now() + 60_000),
    });
    return fetch(url, { method: 'PUT', headers, body: new Uint8Array(BYTES) });
  }

  it('calls the store with a token of the metadata server, and has URLs signed by the IAM Credentials API', async () => {
    const key = newKey();

    expect((await put(key)).status).toBe(200);
    const stat = await sut.stat('uploads', key);
    await sut.promote(key, stat?.generation ?? '', JPEG);
    const read = await fetch(await sut.readUrl(key));

    expect(Buffer.from(await read.arrayBuffer())).toEqual(BYTES);
  });

  it('asks nobody to sign where there is an HMAC key', async () => {
    const { hmacKey } = stage.gcs.server.identity;
    const before = signatures();

    expect((await put(newKey(), newStorage(hmacKey))).status).toBe(200);
    expect((await put(newKey(), newStorage({ ...hmacKey, secret: 'x'.repeat(40) }))).status).toBe(403);
    expect((await put(newKey(), newStorage({ ...hmacKey, accessId: 'GOOG1ENOBODY' }))).status).toBe(403);
    expect(signatures()).toBe(before);
  });

  it('is turned away by the store without a token', async () => {
    const storage = stage.storageWith({ sendTokens: false });

    await expect(storage.stat('uploads', newKey())).rejects.toThrow(StorageUnavailableError);
  });

  it('has each private URL signed once only, however often and by how many at once it is asked for', async () => {
    const key = newKey();
    const before = signatures();

    const urls = await Promise.all(Array.from({ length: 20 }, () => sut.readUrl(key)));

    expect(new Set([...urls, await sut.readUrl(key)]).size).toBe(1);
    expect(signatures() - before).toBe(1);
  });

  it('tries again when signing fails, and then again from the start', async () => {
    const key = newKey();
    stage.gcs.faults.always({ kind: 'status', status: 403 }, isSigning);

    await expect(sut.readUrl(key)).rejects.toThrow(StorageUnavailableError);
    stage.gcs.faults.clear();
    stage.gcs.faults.next(1, { kind: 'reset' }, isSigning);

    expect((await fetch(await sut.readUrl(key))).status).toBe(404);
  });
});
