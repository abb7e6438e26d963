import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseAccount, isRoot } from './embedded-account.js';
import { locateServerPackage, prepareBinaries } from './embedded-binaries.js';
import { isRecord, parseJson } from './embedded-files.js';

const [repository, modules] = [join(import.meta.dirname, '..', '..', '..'), 'node_modules'];

let base: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'mediadock-binaries-'));
  await chmod(base, 0o755);
});

afterEach(() => rm(base, { recursive: true, force: true }));

/** A copy of the package as npm leaves it when it runs no install scripts. */
async function packageWithoutLinks(folder: string): Promise<string> {
  const original = locateServerPackage();
  const copy = join(folder, basename(original));
  await cp(original, copy, { recursive: true, verbatimSymlinks: true });
  for (const target of await linksOf(copy)) await rm(join(copy, target));
  return copy;
}

async function linksOf(packageDir: string): Promise<string[]> {
  const list = parseJson(await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8'));
  const entries: unknown[] = Array.isArray(list) ? list : [];
  return entries.filter(isRecord).map(({ target }) => String(target));
}

describe(prepareBinaries.name, () => {
  it('makes the links of the libraries when the install script did not run', async () => {
    const copy = await packageWithoutLinks(base);

    const { postgres } = await prepareBinaries(copy, await chooseAccount(null), []);

    expect(postgres).toBe(join(copy, 'native', 'bin', 'postgres'));
    const { stdout } = await promisify(execFile)(postgres, ['--version']);
    expect(stdout).toMatch(/^postgres \(PostgreSQL\) \d+/);
  });

  it('says what to do when nothing here can run', async () => {
    const copy = await packageWithoutLinks(base);
    await truncate(join(copy, 'native', 'bin', 'postgres'), 1000);

    await expect(prepareBinaries(copy, await chooseAccount(null), [])).rejects.toThrow('set DATABASE_URL');
  });

  it('copies programs whose path would end up in a shell command', async () => {
    const [odd, plain] = [join(base, '$HOME "`'), join(base, 'plain')];
    await mkdir(odd);
    const original = await packageWithoutLinks(odd);

    const { initdb } = await prepareBinaries(original, await chooseAccount(null), [odd, plain]);

    expect(initdb.startsWith(plain)).toBe(true);
  });

  it.runIf(isRoot())('copies what the account cannot reach, once, whatever the umask was', async () => {
    const hidden = join(base, 'hidden');
    await mkdir(hidden, { mode: 0o700 });
    const original = await packageWithoutLinks(hidden);
    await promisify(execFile)('chmod', ['-R', 'go=', original]);
    const [account, reachable] = [await chooseAccount(null), join(base, 'reachable')];

    const first = await prepareBinaries(original, account, [hidden, reachable]);
    const { ino } = await stat(first.postgres);
    const second = await prepareBinaries(original, account, [hidden, reachable]);

    expect(first.postgres.startsWith(join(reachable, 'postgres-server-'))).toBe(true);
    expect(second).toEqual(first);
    expect((await stat(second.postgres)).ino).toBe(ino);
    const run = promisify(execFile);
    await expect(run(second.initdb, ['--version'], { ...account, cwd: '/' })).resolves.toHaveProperty(
      'stdout',
    );
  });

  it.runIf(isRoot())('replaces a copy that was damaged', async () => {
    const hidden = join(base, 'hidden');
    await mkdir(hidden, { mode: 0o700 });
    const original = await packageWithoutLinks(hidden);
    const [account, reachable] = [await chooseAccount(null), join(base, 'reachable')];
    const { postgres } = await prepareBinaries(original, account, [reachable]);
    const { size } = await stat(postgres);
    await unlink(join(dirname(postgres), '..', 'lib', 'libssl.so.1.1'));
    await truncate(postgres, 0);

    await prepareBinaries(original, account, [reachable]);

    expect((await stat(postgres)).size).toBe(size);
  });

  it.runIf(isRoot())('does not trust a folder that others can write to', async () => {
    const [hidden, shared] = [join(base, 'hidden'), join(base, 'shared')];
    await mkdir(hidden, { mode: 0o700 });
    await mkdir(shared);
    await chmod(shared, 0o777);
    const original = await packageWithoutLinks(hidden);

    await expect(prepareBinaries(original, await chooseAccount(null), [shared])).rejects.toThrow(
      'cannot be run',
    );
  });
});

describe(locateServerPackage.name, () => {
  it('says what to do when the optional package is not installed', async () => {
    // The real sources, in a place from which only their other packages can be found.
    for (const folder of ['common', 'database']) {
      await cp(join(repository, 'src', folder), join(base, folder), { recursive: true });
    }
    await mkdir(join(base, modules));
    await symlink(join(repository, modules, '@nestjs'), join(base, modules, '@nestjs'));
    const hooks = `import { registerHooks } from 'node:module';
      registerHooks({
        resolve(name, context, next) {
          const isOurs = context.parentURL?.endsWith('.ts') && name.startsWith('.');
          return next(isOurs ? name.replace(/js$/, 'ts') : name, context);
        },
      });`;
    const script = `const { locateServerPackage } = await import('./database/embedded/embedded-binaries.ts'); locateServerPackage();`;
    const args = [
      '--import',
      `data:text/javascript,${encodeURIComponent(hooks)}`,
      '--input-type=module',
      '-e',
      script,
    ];

    const attempt = promisify(execFile)(process.execPath, args, { cwd: base });

    await expect(attempt).rejects.toThrow(
      /EmbeddedPostgresError: .*set DATABASE_URL .*or install the optional packages/,
    );
  });
});
