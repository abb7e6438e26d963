import { cp, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { filesBelow } from '../../../test/support/files-below.js';
import { newKey, storageIn } from '../../../test/support/local-objects.js';
import { derivativeKey } from '../object-key.js';
import { ObjectNotFoundError } from '../storage.errors.js';
import type { LocalObjectStorage } from './local-object-storage.js';

const JPEG = { contentType: 'image/jpeg', originalFileName: 'holiday.jpg' };

/** Every file is another one than before, and what is empty is not there: what comes back from a backup, or moves to a new disk. */
describe('a copy of the folder', () => {
  let rootDir: string;
  let copy: LocalObjectStorage;
  let copiedTo: string;
  let key: string;

  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'mediadock-objects-'));
    const sut = storageIn(rootDir);
    key = newKey();
    await sut.receiveUpload(key, Readable.from([Buffer.from('original')]), { contentLength: 8 });
    const { generation } = await sut.readHead('uploads', key, 1);
    await sut.promote(key, generation, JPEG);
    await sut.put(derivativeKey(key, 'medium'), Buffer.from('medium'), JPEG);
    copiedTo = `${rootDir}-copy`;
    await cp(rootDir, copiedTo, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    await rm(join(copiedTo, 'tmp'), { recursive: true, force: true });
    copy = storageIn(copiedTo);
    // A label that is younger than a minute may belong to bytes that are just being put there.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await Promise.all([rootDir, copiedTo].map((folder) => rm(folder, { recursive: true, force: true })));
  });

  it('is read like the original', async () => {
    expect(await buffer(await copy.openRead('media', key))).toEqual(Buffer.from('original'));
    expect((await copy.findMedia(derivativeKey(key, 'medium')))?.sidecar).toMatchObject(JPEG);
    expect(await copy.stat('media', key)).toMatchObject({ size: 8 });
  });

  it('is read by many at once, who find the same', async () => {
    const heads = await Promise.all(Array.from({ length: 20 }, () => copy.readHead('media', key, 8)));
    expect(new Set(heads.map(({ generation }) => generation)).size).toBe(1);
  });

  it('is deleted whole, names of files included, whether it has been read or not', async () => {
    await copy.stat('media', key);
    await copy.delete('media', key);
    await copy.delete('media', derivativeKey(key, 'medium'));
    await copy.delete('uploads', key);
    expect(await filesBelow(copiedTo)).toEqual([]);
  });

  it('takes an upload that is promoted once more', async () => {
    const { generation } = await copy.readHead('uploads', key, 1);
    await copy.promote(key, generation, JPEG);
    expect(await buffer(await copy.openRead('media', key))).toEqual(Buffer.from('original'));
    await copy.delete('media', key);
    expect(await filesBelow(join(copiedTo, 'media'))).toHaveLength(2);
  });

  it('has no object where the label is as young as that of a put under way', async () => {
    vi.useRealTimers();
    await expect(copy.openRead('media', key)).rejects.toThrow(ObjectNotFoundError);
  });

  it('is read also where a killed process has left another label that says the same', async () => {
    const [label = ''] = await labelsOf(copiedTo, key);
    const path = join(copiedTo, 'media', label);
    for (const digit of ['0', '1']) {
      await symlink(await readlink(path), path.replace(/.\.json$/, `${digit}.json`)).catch(() => {});
    }
    expect((await labelsOf(copiedTo, key)).length).toBeGreaterThan(1);
    vi.setSystemTime(Date.now() + 120_000);
    expect(await buffer(await copy.openRead('media', key))).toEqual(Buffer.from('original'));
    expect(await labelsOf(copiedTo, key)).toHaveLength(1);
  });
});

describe('a label without its bytes', () => {
  let rootDir: string;
  let sut: LocalObjectStorage;
  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'mediadock-objects-'));
    sut = storageIn(rootDir);
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await rm(rootDir, { recursive: true, force: true });
  });

  it('goes when its object is deleted, with the folders around it, but not while its bytes may be about to come', async () => {
    const key = newKey();
    await sut.put(key, Buffer.from('bytes'), JPEG);
    await rm(join(rootDir, 'media', key));
    await sut.delete('media', key);
    expect(await labelsOf(rootDir, key)).toHaveLength(1);
    vi.setSystemTime(Date.now() + 120_000);
    await sut.delete('media', key);
    expect(await readdir(join(rootDir, 'media'))).toEqual([]);
  });
});

async function labelsOf(folder: string, key: string): Promise<string[]> {
  return (await filesBelow(join(folder, 'media'))).filter(
    (path) => path.includes(key) && path.endsWith('.json'),
  );
}
