import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, parseEnvironment } from './parse-environment.js';
import { loadSecrets } from './secrets.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mediadock-secrets-'));
});
afterEach(async () => rm(dataDir, { recursive: true }));

const load = () => loadSecrets(parseEnvironment({ DATA_DIR: dataDir }));

describe(loadSecrets.name, () => {
  it('makes what is missing once, of 32 random bytes each, also for many that start at once', async () => {
    const loaded = await Promise.all(Array.from({ length: 10 }, load));
    loaded.push(await load());
    expect(new Set(loaded.map(({ jwtSecret }) => jwtSecret)).size).toBe(1);
    expect(new Set(loaded.map(({ storageSigningKey }) => storageSigningKey?.toString('hex'))).size).toBe(1);
    expect(loaded[0]?.storageSigningKey).toHaveLength(32);
    expect(loaded[0]?.jwtSecret).toMatch(/^[\w-]{43}$/);
    expect((await readdir(join(dataDir, 'secrets'))).toSorted()).toEqual([
      'jwt-secret',
      'storage-signing-key',
    ]);
  });

  it.each([
    ['jwt-secret', ''],
    ['jwt-secret', '\n'],
    ['storage-signing-key', 'c2hvcnQ'],
  ])(
    'refuses %s that holds %j, instead of taking tokens and URLs that anybody can sign',
    async (name, text) => {
      await mkdir(join(dataDir, 'secrets'));
      await writeFile(join(dataDir, 'secrets', name), text);
      await expect(load()).rejects.toThrow(ConfigError);
      await expect(load()).rejects.toThrow(join(dataDir, 'secrets', name));
    },
  );

  it.runIf(process.getuid?.() === 0)(
    'makes a data folder that the database server can pass through, whatever the umask',
    async () => {
      const umask = process.umask(0o077);
      try {
        await loadSecrets(parseEnvironment({ DATA_DIR: join(dataDir, 'one', 'two') }));
      } finally {
        process.umask(umask);
      }
      const modes = await Promise.all(
        ['one', 'one/two', 'one/two/secrets'].map(
          async (folder) => (await stat(join(dataDir, folder))).mode & 0o777,
        ),
      );
      expect(modes).toEqual([0o755, 0o755, 0o700]);
    },
  );
});
