import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isRoot, whyNot } from '../../src/database/embedded/embedded-account.js';
import type { Account } from '../../src/database/embedded/embedded-account.js';
import { isRecord, parseJson } from '../../src/database/embedded/embedded-files.js';
import { isAlive } from '../../src/database/embedded/embedded-process.js';
import { attachOrStart, EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { DataFolderInUseError } from '../../src/database/embedded/embedded-postgres.errors.js';
import { withClient } from '../../src/database/embedded/embedded-server.js';
import { plantSeed } from '../support/postgres-seed.js';

const NOBODY: Account = { uid: 65534, gid: 65534 };
const SOURCE_FILE = join(
  import.meta.dirname,
  '..',
  '..',
  'src',
  'database',
  'embedded',
  'embedded-postgres.ts',
);
const SOURCE = pathToFileURL(SOURCE_FILE).href;

/** An ordinary user can only run a checkout that such a user can read. */
const nobodyReadsUs =
  (await whyNot(NOBODY, 'test -x "$1" && test -r "$2"', process.execPath, SOURCE_FILE)) === null;

/** Lets Node itself run our sources, whose imports name the compiled files. */
const HOOKS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve(name, context, next) {
      const isOurs = context.parentURL?.endsWith('.ts') && name.startsWith('.');
      return next(isOurs ? name.replace(/js$/, 'ts') : name, context);
    },
  });`)}`;

let base: string;
let dataDir: string;
/** What a failed expectation must not leave running. */
let cleanups: (() => Promise<unknown>)[];

beforeEach(async () => {
  Logger.overrideLogger(false);
  base = await mkdtemp(join(tmpdir(), 'mediadock-postgres-'));
  await chmod(base, 0o755);
  dataDir = join(base, 'data');
  cleanups = [() => rm(base, { recursive: true, force: true, maxRetries: 5 })];
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

/** For what does not depend on how the database came about. */
async function plant(): Promise<void> {
  await mkdir(dataDir);
  await plantSeed(dataDir);
}

async function start(folder = dataDir): Promise<EmbeddedPostgres> {
  const server = await EmbeddedPostgres.start({ dataDir: folder });
  cleanups.push(() => server.stop());
  return server;
}

/** Another Mediadock, as far as the database goes: a process that starts it, prints its URL, and runs `then`. */
async function startOwner(then = '', account: Account = null): Promise<{ owner: ChildProcess; url: string }> {
  const script = `
    import { EmbeddedPostgres } from '${SOURCE}';
    const server = await EmbeddedPostgres.start({ dataDir: process.env.FOLDER });
    ${then}
    console.log(server.url);
    process.stdin.resume();`;
  const owner = spawn(process.execPath, ['--import', HOOKS, '--input-type=module', '-e', script], {
    ...account,
    env: { ...process.env, FOLDER: dataDir, NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  cleanups.push(async () => {
    if (owner.exitCode !== null || owner.signalCode !== null) return;
    owner.stdin.end();
    await once(owner, 'exit');
  });
  return { owner, url: await waitFor(owner, /^postgres:.*$/m) };
}

async function waitFor(child: ChildProcess, pattern: RegExp): Promise<string> {
  let output = '';
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    output += String(chunk);
    const found = pattern.exec(output);
    if (found) return found[0];
  }
  throw new Error(`The other process ended with: ${output}`);
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await once(child, 'exit');
}

async function query(url: string, sql: string): Promise<unknown[]> {
  return withClient(url, async (client) => (await client.query({ text: sql, rowMode: 'array' })).rows.flat());
}

async function serverPid(area = join(dataDir, 'postgres')): Promise<number> {
  return Number.parseInt(await readFile(join(area, 'data', 'postmaster.pid'), 'utf8'), 10);
}

async function goneFor(pid: number): Promise<void> {
  await vi.waitFor(async () => expect(await isAlive(pid)).toBe(false), { timeout: 20_000 });
}

describe(EmbeddedPostgres.name, () => {
  it('serves a database on loopback, behind a password, until it is stopped', async () => {
    const server = await start();
    const pid = await serverPid();

    expect(server.url).toMatch(/^postgres:\/\/mediadock:[\w-]{32}@127\.0\.0\.1:\d+\/mediadock$/);
    const names = ['listen_addresses', 'unix_socket_directories', 'fsync', 'TimeZone', 'server_encoding'];
    const shown = await query(
      server.url,
      `SELECT ${names.map((name) => `current_setting('${name}')`).join()}`,
    );
    expect(shown).toEqual(['127.0.0.1', '', 'on', 'UTC', 'UTF8']);
    await expect(query(server.url.replace(/:[\w-]{32}@/, ':wrong@'), 'SELECT 1')).rejects.toThrow('password');
    expect((await stat(join(dataDir, 'postgres', 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700);

    await server.stop();
    await server.stop();

    expect(await isAlive(pid)).toBe(false);
    expect(await readdir(dataDir)).not.toContain('embedded-postgres.json');
  });

  it('keeps its data, in a folder with spaces and letters beyond ASCII', async () => {
    dataDir = join(base, 'My médiа "dоck" 写真', 'data');
    const first = await start();
    await query(first.url, `CREATE TABLE kept AS SELECT 'é' AS word`);
    await first.stop();

    const second = await start();

    expect(await query(second.url, 'SELECT word, lower(upper(word)) FROM kept')).toEqual(['é', 'é']);
  });

  it('ignores the PostgreSQL and the settings that the caller has around', async () => {
    const decoys = join(base, 'bin');
    await mkdir(decoys);
    for (const name of ['postgres', 'initdb']) {
      await writeFile(join(decoys, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    }
    vi.stubEnv('PATH', `${decoys}${delimiter}${process.env.PATH}`);
    for (const name of ['PGDATA', 'PGPORT', 'PGHOST', 'PGUSER', 'PGOPTIONS']) vi.stubEnv(name, 'wrong');
    vi.stubEnv('PGSSLMODE', 'require');
    vi.stubEnv('TZ', 'Asia/Tokyo');

    const server = await start();

    expect(await query(server.url, 'SHOW TimeZone')).toEqual(['UTC']);
  });

  it('refuses a data folder that another process uses, and names both', async () => {
    await plant();
    const { owner } = await startOwner();

    const second = EmbeddedPostgres.start({ dataDir });

    await expect(second).rejects.toThrow(DataFolderInUseError);
    await expect(second).rejects.toThrow(`${dataDir} is in use by another Mediadock (process ${owner.pid})`);
  });

  it('stops the server that a killed process left running, and goes on with its data', async () => {
    await plant();
    const { owner, url } = await startOwner();
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS one');
    const orphan = await serverPid();
    await kill(owner, 'SIGKILL');
    expect(await isAlive(orphan)).toBe(true);

    const server = await start();

    expect(await isAlive(orphan)).toBe(false);
    expect(await query(server.url, 'SELECT one FROM kept')).toEqual([1]);
  });

  it('recovers when the server was killed as well', async () => {
    await plant();
    const { owner, url } = await startOwner();
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS one');
    const orphan = await serverPid();
    await kill(owner, 'SIGKILL');
    process.kill(orphan, 'SIGKILL');
    await goneFor(orphan);

    const server = await start();

    expect(await query(server.url, 'SELECT one FROM kept')).toEqual([1]);
  });

  it('never signals a stranger who got the id of a killed server', async () => {
    await plant();
    await (await start()).stop();
    const cluster = join(dataDir, 'postgres', 'data');
    const { uid, gid } = await stat(cluster);
    // As the server's own user: PostgreSQL gives way only to such a process.
    const stranger = spawn('/bin/sleep', ['600'], { ...(isRoot() ? { uid, gid } : {}), cwd: '/' });
    cleanups.push(() => kill(stranger, 'SIGTERM'));
    const lines = [stranger.pid, cluster, 1_700_000_000, 5432, '', '127.0.0.1', '  1 1', 'ready   ', ''];
    await writeFile(join(cluster, 'postmaster.pid'), lines.join('\n'), { mode: 0o600 });
    await chown(join(cluster, 'postmaster.pid'), uid, gid);

    await start();

    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it('starts over when it was killed while the database was being created', async () => {
    const child = startOwner();
    const area = join(dataDir, 'postgres');
    const isHalfDone = async () => (await readdir(area)).some((name) => name.startsWith('data.draft-'));
    await vi.waitFor(async () => expect(await isHalfDone()).toBe(true), { interval: 1, timeout: 20_000 });
    const lock = parseJson(await readFile(join(dataDir, 'embedded-postgres.json'), 'utf8'));
    process.kill(isRecord(lock) ? Number(lock.ownerPid) : Number.NaN, 'SIGKILL');
    await expect(child).rejects.toThrow('The other process ended');

    const server = await start();

    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
  });

  it('can be used until the owner has drained when Ctrl-C reaches the whole process group', async () => {
    await plant();
    const { owner } = await startOwner(`
      const { withClient } = await import('${SOURCE.replace('postgres.ts', 'server.ts')}');
      process.once('SIGINT', async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        const { rows } = await withClient(server.url, (client) => client.query('SELECT 42 AS answer'));
        await server.stop();
        console.log('drained', rows[0].answer);
        process.exit();
      });`);
    const pid = await serverPid();

    process.kill(-(owner.pid ?? Number.NaN), 'SIGINT');

    expect(await waitFor(owner, /drained.*/)).toBe('drained 42');
    expect(await isAlive(pid)).toBe(false);
  });

  it('takes the server along when the process exits without stopping it', async () => {
    await plant();
    const { owner } = await startOwner(`process.stdin.once('end', () => process.exit(3));`);
    const pid = await serverPid();

    owner.stdin?.end();
    await once(owner, 'exit');

    await goneFor(pid);
    expect(owner.exitCode).toBe(3);
  });

  it('says why PostgreSQL did not start, and lets go of the data folder', async () => {
    await plant();
    await (await start()).stop();
    const version = join(dataDir, 'postgres', 'data', 'PG_VERSION');
    const right = await readFile(version, 'utf8');
    await writeFile(version, '9.6\n');

    await expect(start()).rejects.toThrow(/postgres\.log, ends:\n.*not compatible with this version/s);
    await writeFile(version, right);

    await expect(start()).resolves.toBeInstanceOf(EmbeddedPostgres);
  });
});

describe.runIf(isRoot())(`${EmbeddedPostgres.name} for root`, () => {
  it('keeps data outside a data folder that PostgreSQL cannot reach, and finds it again', async () => {
    await chmod(base, 0o700);
    const first = await start();
    const note = parseJson(await readFile(join(dataDir, 'postgres.location'), 'utf8'));
    const area = isRecord(note) ? String(note.area) : '';
    cleanups.splice(
      1,
      0,
      () => rmdir(dirname(area)).catch(() => undefined),
      () => rm(area, { recursive: true }),
    );
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS one');
    await first.stop();

    const second = await start();

    expect(area.startsWith(base)).toBe(false);
    expect(await query(second.url, 'SELECT one FROM kept')).toEqual([1]);
    expect(await isAlive(await serverPid(area))).toBe(true);
    expect(await readdir(dataDir)).not.toContain('postgres');
  });

  it.runIf(nobodyReadsUs)(
    'runs as the ordinary user who starts it, and stays that user’s after a start with sudo',
    async () => {
      await chmod(base, 0o777);
      const { owner } = await startOwner('', NOBODY);
      const cluster = join(dataDir, 'postgres', 'data');
      expect((await stat(cluster)).uid).toBe(NOBODY?.uid);
      owner.stdin?.end();
      await once(owner, 'exit');

      const server = await start();
      expect((await stat(join(cluster, 'postmaster.pid'))).uid).toBe(NOBODY?.uid);
      await server.stop();

      const again = await startOwner('', NOBODY);
      expect(await query(again.url, 'SELECT 1')).toEqual([1]);
    },
  );
});

describe(attachOrStart.name, () => {
  it('uses the server of a running Mediadock, and leaves it running', async () => {
    await plant();
    const { url } = await startOwner();

    const attached = await attachOrStart({ dataDir });
    await attached.release();

    expect(attached.url).toBe(url);
    expect(await query(url, 'SELECT 1')).toEqual([1]);
  });

  it('waits for the server of a Mediadock that is starting', async () => {
    const starting = startOwner();
    await vi.waitFor(() => stat(join(dataDir, 'embedded-postgres.json')), { interval: 1, timeout: 20_000 });

    const attached = await attachOrStart({ dataDir });
    await attached.release();

    expect(attached.url).toBe((await starting).url);
  });

  it('starts a server of its own when none is running, and stops it on release', async () => {
    await plant();
    const attached = await attachOrStart({ dataDir, databaseName: 'another one' });
    const pid = await serverPid();
    expect(await query(attached.url, 'SELECT current_database()')).toEqual(['another one']);

    await attached.release();

    expect(await isAlive(pid)).toBe(false);
  });
});
