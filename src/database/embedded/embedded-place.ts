import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readFile,
  realpath,
  rename,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Logger } from '@nestjs/common';
import { hasErrorCode } from '../../common/error-code.js';
import { makePassableFolder } from '../../common/folders.js';
import { chooseAccount, describeAccount, isRoot, whyNot } from './embedded-account.js';
import type { Account } from './embedded-account.js';
import { exists, isRecord, messageOf, parseJson } from './embedded-files.js';
import { EmbeddedPostgresError } from './embedded-postgres.errors.js';

const logger = new Logger('EmbeddedPostgres');
const NOTE = 'postgres.location';
const OPEN_FOLDER = 0o755;
const PRIVATE_FOLDER = 0o700;
const WRITABLE_FOR_OTHERS = 0o022;

/** `/var/tmp` before the temporary folder: it survives a reboot, as data must. */
const STAGING_BASES = ['/var/lib/mediadock', '/var/tmp/mediadock', join(tmpdir(), 'mediadock')];

/** Where a server's files are, and who may touch them. */
export interface Place {
  /** Holds the cluster and its password; mode 700, of the account. */
  readonly area: string;
  readonly account: Account;
}

/** Says where the data of a data folder is when it could not be below it. Also meant for people. */
interface Note {
  readonly dataDir: string;
  readonly area: string;
  readonly why: string;
}

/** The cluster of an area: what PostgreSQL calls its data directory. */
export function clusterOf(area: string): string {
  return join(area, 'data');
}

/** Creates the data folder, traversable by the account that root lends to PostgreSQL, and resolves its links. */
export async function prepareDataDir(dataDir: string): Promise<string> {
  await makePassableFolder(dataDir);
  return realpath(dataDir);
}

/**
 * Folders that may hold the database, best first. Only root needs others than the data folder: an ordinary user's
 * PostgreSQL reaches what Mediadock reaches.
 */
export function basesForData(dataDir: string): string[] {
  return isRoot() ? [dataDir, ...STAGING_BASES] : [dataDir];
}

/** Folders that may hold a copy of PostgreSQL's programs, best first: one copy does for many data folders. */
export function basesForBinaries(dataDir: string): string[] {
  return isRoot() ? [...STAGING_BASES, dataDir] : [dataDir];
}

/** Creates a base when it is missing; false when that fails, or when others could tamper with what is put there. */
export async function prepareBase(base: string): Promise<boolean> {
  try {
    if ((await mkdir(base, { recursive: true })) !== undefined) await chmod(base, OPEN_FOLDER);
    // In a world-writable parent anybody may have put a link or a folder of their own under this name.
    const found = await lstat(base);
    return (
      found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & WRITABLE_FOR_OTHERS) === 0
    );
  } catch {
    return false;
  }
}

/**
 * Finds the data area of a data folder, or makes one: below the data folder, or where the account can reach it.
 *
 * @param bases candidates, best first; the data folder itself is one of them.
 */
export async function findPlace(dataDir: string, bases: readonly string[]): Promise<Place> {
  const noted = await findNotedArea(dataDir);
  const area = noted ?? join(dataDir, 'postgres');
  const cluster = await statCluster(area);
  const account = await chooseAccount(cluster);
  if (cluster === null && noted === null) return { area: await makeArea(dataDir, bases, account), account };

  // A cluster copied by root belongs to root.
  if (account !== null && cluster !== null && cluster.uid !== account.uid) await giveTo(account, area);
  const problem = await makePrivate(area, account);
  if (problem !== null) {
    const message =
      `The database in ${area} cannot be used by ${describeAccount(account)}: ${problem}. ` +
      'Make its parent folders traversable again, or start Mediadock as the user who created it.';
    throw new EmbeddedPostgresError(message);
  }
  return { area, account };
}

async function statCluster(area: string): Promise<Stats | null> {
  try {
    return await stat(clusterOf(area));
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return null;
    const message = `The database in ${area} belongs to another user: start Mediadock as the one who created it.`;
    throw new EmbeddedPostgresError(message, { cause: error });
  }
}

async function makeArea(dataDir: string, bases: readonly string[], account: Account): Promise<string> {
  const problems: string[] = [];
  for (const base of bases) {
    const area = join(base, base === dataDir ? 'postgres' : stagedName(dataDir));
    if (base !== dataDir && !(await prepareBase(base))) continue;
    const created = await mkdir(area, { recursive: true });
    const problem = await makePrivate(area, account);
    if (problem === null) {
      const why = `${describeAccount(account)} cannot use ${problems.join(', ')}`;
      if (base !== dataDir) await leaveNotes({ dataDir, area, why });
      return area;
    }
    problems.push(`${area} (${problem})`);
    if (created !== undefined) await rmdir(area);
  }
  const message = `There is no folder for the embedded database: ${describeAccount(account)} cannot use `;
  throw new EmbeddedPostgresError(message + problems.join(', '));
}

/**
 * The random part binds a staged area to its note: a data folder that was emptied, or whose volume is not
 * mounted yet, starts anew without touching what an older note may still point to.
 */
function stagedName(dataDir: string): string {
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return `${hash}-${randomBytes(4).toString('hex')}`;
}

/** @returns null when the folder is now private to the account and reachable for it, else what prevents that. */
async function makePrivate(folder: string, account: Account): Promise<string | null> {
  try {
    if (account !== null) await chown(folder, account.uid, account.gid);
    await chmod(folder, PRIVATE_FOLDER);
    // Some file systems accept both calls and ignore them; PostgreSQL would refuse to start there.
    const { uid, mode } = await stat(folder);
    const owner = account?.uid ?? process.geteuid?.();
    if (uid !== owner || (mode & 0o077) !== 0) return 'its file system does not keep owner and mode';
  } catch (error) {
    return messageOf(error);
  }
  return whyNot(account, 'cd "$1" && test -w .', folder);
}

async function giveTo(account: NonNullable<Account>, folder: string): Promise<void> {
  await promisify(execFile)('chown', ['-hR', `${account.uid}:${account.gid}`, folder]);
}

/** One in the data folder, and one in the area: it says whose that is, also to the person who comes across it. */
async function leaveNotes(note: Note): Promise<void> {
  const text = `${JSON.stringify(note, null, 2)}\n`;
  for (const folder of [note.area, note.dataDir]) {
    const path = join(folder, NOTE);
    const draft = `${path}.${randomBytes(4).toString('hex')}`;
    await writeFile(draft, text, { flag: 'wx' });
    await rename(draft, path);
  }
  logger.warn(`The database of ${note.dataDir} is kept in ${note.area}: ${note.why}.`);
}

/**
 * Follows the data folder's note. A folder that was moved takes its database along; a copy must not share that of the
 * original, whose server it would take for one left behind.
 *
 * @returns null when there is no note, or it is that of the folder this one was copied from.
 */
async function findNotedArea(dataDir: string): Promise<string | null> {
  const path = join(dataDir, NOTE);
  const note = await readNote(path);
  if (note === null) return null;
  if (!(await exists(note.area))) {
    const message =
      `${path} says that the database is in ${note.area}, which is not there. ` +
      'Restore that folder, or delete the note to start with an empty database.';
    throw new EmbeddedPostgresError(message);
  }
  const owner = (await readNote(join(note.area, NOTE)))?.dataDir ?? note.dataDir;
  if (owner === dataDir) return note.area;
  if ((await readNote(join(owner, NOTE)))?.area === note.area) return null;
  await leaveNotes({ ...note, dataDir });
  return note.area;
}

async function readNote(path: string): Promise<Note | null> {
  if (!(await exists(path))) return null;
  const note = parseJson(await readFile(path, 'utf8'));
  if (isNote(note)) return note;
  throw new EmbeddedPostgresError(
    `${path} is damaged: it should say where the database is. Restore or delete it.`,
  );
}

function isNote(value: unknown): value is Note {
  return isRecord(value) && typeof value.dataDir === 'string' && typeof value.area === 'string';
}
