import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Logger } from '@nestjs/common';
import { syncFolder } from '../../common/folders.js';
import { spawnOptions } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import type { ServerBinaries } from './embedded-binaries.js';
import { clusterOf } from './embedded-place.js';
import type { Place } from './embedded-place.js';
import { complaintOf, exists } from './embedded-files.js';
import { EmbeddedPostgresError } from './embedded-postgres.errors.js';
import { judgeServer, shutDown } from './embedded-process.js';

/** The database's superuser, and the only role. */
export const ROLE = 'mediadock';

const PASSWORD_FILE = 'password';
const DRAFT_PREFIX = 'data.draft-';
const PASSWORD_BYTES = 24;

/**
 * Written into a new cluster's postgresql.conf, where a person may change them. Huge pages are off because a
 * server this small gains nothing from them, and initdb crashes where a container announces but forbids them.
 */
const SETTINGS = {
  shared_buffers: '64MB',
  max_connections: '50',
  huge_pages: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
};

/**
 * Makes the cluster of an area when it is new. It is built beside its place and then renamed, so that a crash
 * in between leaves nothing that could be taken for a database.
 *
 * @returns the password of {@link ROLE}.
 */
export async function prepareCluster(binaries: ServerBinaries, { area, account }: Place): Promise<string> {
  await removeDrafts(area);
  const isNew = !(await exists(clusterOf(area)));
  const password = (await readPassword(area)) ?? (isNew ? await createPassword(area, account) : null);
  if (password === null) {
    throw new EmbeddedPostgresError(
      `${join(area, PASSWORD_FILE)}, the password of the database, is missing.`,
    );
  }
  if (isNew) await initialize(binaries, area, account);
  return password;
}

/**
 * A killed Mediadock leaves its server running, and a killed server leaves its `postmaster.pid`. Stops the
 * former, and declares the latter void when it would keep PostgreSQL from starting for no reason.
 */
export async function recoverCluster(cluster: string): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!(await exists(pidFile))) return;
  const [firstLine = '', ...others] = (await readFile(pidFile, 'utf8')).split('\n');
  const pid = Number(firstLine);
  // Cut short by a power failure.
  if (!Number.isInteger(pid) || pid <= 0) return rm(pidFile);
  if ((await judgeServer(pid, cluster)) === 'ours') await stopOrphan(pid, cluster);
  if ((await exists(pidFile)) && (await judgeServer(pid, cluster)) === 'foreign') {
    await overwrite(pidFile, [String(process.pid), ...others].join('\n'));
  }
}

/**
 * PostgreSQL deals with an id that is gone by itself, and refuses one that answers signals; but to the id of its
 * own parent, which is us, it pays no heed. Deleting the file would be simpler, and lose what it also says: which
 * shared memory to look for, lest sessions of the killed server are still at work.
 */
async function overwrite(pidFile: string, text: string): Promise<void> {
  const file = await open(pidFile, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

async function stopOrphan(pid: number, cluster: string): Promise<void> {
  new Logger('EmbeddedPostgres').warn(
    `Stopping the PostgreSQL server (process ${pid}) of a Mediadock that died`,
  );
  const isOurs = async () => (await judgeServer(pid, cluster)) === 'ours';
  const stopped = await shutDown(
    async (signal) => {
      // The id may have passed to somebody else since the last look.
      if (await isOurs()) process.kill(pid, signal);
    },
    async () => !(await isOurs()),
  );
  if (!stopped)
    throw new EmbeddedPostgresError(`The PostgreSQL server with process id ${pid} does not stop.`);
}

async function initialize(binaries: ServerBinaries, area: string, account: Account): Promise<void> {
  const draft = join(area, `${DRAFT_PREFIX}${randomBytes(4).toString('hex')}`);
  const args = [
    `--pgdata=${draft}`,
    `--username=${ROLE}`,
    `--pwfile=${join(area, PASSWORD_FILE)}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // PostgreSQL's own locale: sorts by code point on every system, and an upgrade of the system's C library
    // cannot corrupt an index.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...Object.entries(SETTINGS).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ];
  try {
    await promisify(execFile)(binaries.initdb, args, spawnOptions(account));
  } catch (cause) {
    throw new EmbeddedPostgresError(`PostgreSQL could not create a database: ${complaintOf(cause)}`, {
      cause,
    });
  }
  await rename(draft, clusterOf(area));
  await syncFolder(area);
}

/** Of starts that were cut short. One whose initdb is still busy may resist; the next start gets it. */
async function removeDrafts(area: string): Promise<void> {
  for (const name of await readdir(area)) {
    if (!name.startsWith(DRAFT_PREFIX) && !name.startsWith(`${PASSWORD_FILE}.`)) continue;
    await rm(join(area, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function readPassword(area: string): Promise<string | null> {
  const text = await readFile(join(area, PASSWORD_FILE), 'utf8').catch(() => '');
  return text.trim() || null;
}

/** initdb reads the file as the account. Written in full before it gets its name. */
async function createPassword(area: string, account: Account): Promise<string> {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  const path = join(area, PASSWORD_FILE);
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await file.writeFile(`${password}\n`);
    if (account !== null) await file.chown(account.uid, account.gid);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  return password;
}
