import { execFile } from 'node:child_process';
import type { ExecFileOptions } from 'node:child_process';
import type { Stats } from 'node:fs';
import { promisify } from 'node:util';
import { complaintOf } from './embedded-files.js';
import { EmbeddedPostgresError } from './embedded-postgres.errors.js';

const run = promisify(execFile);
const USER = 'postgres';
/** Where groupadd and useradd are; not every root has it on the PATH. */
const ADMIN_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/** The user that PostgreSQL runs as; null: the one that Mediadock runs as. */
export type Account = { readonly uid: number; readonly gid: number } | null;

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * PostgreSQL refuses to run as root, so root lends it another user: the owner of a cluster that is there
 * already (one start with sudo must not lock its owner out), else `postgres`, created when missing.
 */
export async function chooseAccount(existingCluster: Stats | null): Promise<Account> {
  if (!isRoot()) return null;
  if (existingCluster !== null && existingCluster.uid !== 0) {
    return { uid: existingCluster.uid, gid: existingCluster.gid };
  }
  return (await findUser()) ?? createUser();
}

/**
 * How every PostgreSQL program is started. The environment is ours alone: a PGDATA, PGPORT or LD_PRELOAD of the
 * caller would change what the server does, and messages are read in English. The current folder may be one
 * that the account cannot enter.
 */
export function spawnOptions(account: Account) {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C', LC_ALL: 'C', TZ: 'UTC' };
  return { ...account, cwd: '/', env } satisfies ExecFileOptions;
}

/**
 * Whether a shell test succeeds for the account; `$1`, `$2`… are the arguments. Asking the system as that very
 * user also sees what mode bits do not tell: access lists, `noexec` mounts, capabilities.
 *
 * @returns null when it does, else why not.
 */
export async function whyNot(account: Account, test: string, ...args: string[]): Promise<string | null> {
  try {
    await run('/bin/sh', ['-c', test, 'sh', ...args], spawnOptions(account));
    return null;
  } catch (error) {
    return complaintOf(error);
  }
}

export function describeAccount(account: Account): string {
  return account === null ? 'the user Mediadock runs as' : `the user with id ${account.uid}`;
}

async function findUser(): Promise<Account> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, USER])).stdout)),
    );
    return uid === undefined || gid === undefined ? null : { uid, gid };
  } catch {
    return null;
  }
}

async function createUser(): Promise<Account> {
  try {
    await run('groupadd', ['--system', '--force', USER], { env: ADMIN_ENV });
    const flags = ['--system', '--gid', USER, '--no-create-home', '--shell', '/bin/false'];
    await run('useradd', [...flags, USER], { env: ADMIN_ENV });
  } catch (cause) {
    // Another process may have been faster.
    if ((await findUser()) === null) {
      const message =
        `PostgreSQL does not run as root, and the system user "${USER}" is missing and could not be created. ` +
        'Create it, start Mediadock as an ordinary user, or set DATABASE_URL.';
      throw new EmbeddedPostgresError(message, { cause });
    }
  }
  const created = await findUser();
  if (created === null) throw new EmbeddedPostgresError(`The system user "${USER}" cannot be looked up.`);
  return created;
}
