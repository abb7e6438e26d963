import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasErrorCode } from '../../common/error-code.js';
import { isRecord, parseJson } from './embedded-files.js';
import { DataFolderInUseError, EmbeddedPostgresError } from './embedded-postgres.errors.js';
import { isAlive, startTimeOf } from './embedded-process.js';

const FILE_NAME = 'embedded-postgres.json';
const PRIVATE_FILE = 0o600;
const ATTEMPTS = 40;
const RETRY_MS = 25;

/** What `DATA_DIR/embedded-postgres.json` says while somebody owns the folder's server. */
export interface Ownership {
  readonly id: string;
  readonly ownerPid: number;
  /** Tells the owner from a later process with the same id; null where the platform does not say. */
  readonly ownerStartTime: string | null;
  /** null until the server answers. */
  readonly port: number | null;
  /** With the password, hence the mode of the file; null until the server answers. */
  readonly url: string | null;
}

/** The living owner of the data folder's server, or null. */
export async function readLiveOwner(dataDir: string): Promise<Ownership | null> {
  const found = parse(await readLock(join(dataDir, FILE_NAME)));
  return found !== null && (await isLive(found)) ? found : null;
}

/** Mediadock's claim on the one server of a data folder, as a file that outlives a crash and is then taken over. */
export class OwnerLock {
  readonly #path: string;
  #ownership: Ownership;

  private constructor(path: string, ownership: Ownership) {
    this.#path = path;
    this.#ownership = ownership;
  }

  /** @throws DataFolderInUseError while another owner lives. */
  static async acquire(dataDir: string): Promise<OwnerLock> {
    const lock = new OwnerLock(join(dataDir, FILE_NAME), {
      id: randomUUID(),
      ownerPid: process.pid,
      ownerStartTime: await startTimeOf(process.pid),
      port: null,
      url: null,
    });
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await lock.#create()) return lock;
      await lock.#clearDeadOwner(dataDir, attempt);
    }
    throw new EmbeddedPostgresError(`Could not take ${lock.#path}: too many processes are trying at once.`);
  }

  /**
   * To be called before anything that a second owner would suffer from: taking over from a dead owner cannot
   * be one atomic step on a plain file system, so the loser of such a race finds out here.
   */
  async assertHeld(): Promise<void> {
    const found = parse(await readLock(this.#path));
    if (found?.id !== this.#ownership.id) {
      throw new DataFolderInUseError(`${this.#path} was taken by process ${found?.ownerPid ?? 'unknown'}.`);
    }
  }

  /** Tells command-line tools where the server is. */
  async publish(port: number, url: string): Promise<void> {
    await this.assertHeld();
    this.#ownership = { ...this.#ownership, port, url };
    const draft = `${this.#path}.${this.#ownership.id}`;
    await writeFile(draft, this.#content(), { flag: 'wx', mode: PRIVATE_FILE });
    await rename(draft, this.#path);
  }

  /** Idempotent, and leaves another's lock alone. */
  async release(): Promise<void> {
    const found = parse(await readLock(this.#path));
    if (found?.id === this.#ownership.id) await rm(this.#path, { force: true });
  }

  async #create(): Promise<boolean> {
    try {
      await writeFile(this.#path, this.#content(), { flag: 'wx', mode: PRIVATE_FILE });
      return true;
    } catch (error) {
      if (hasErrorCode(error, 'EEXIST')) return false;
      throw error;
    }
  }

  async #clearDeadOwner(dataDir: string, attempt: number): Promise<void> {
    const text = await readLock(this.#path);
    if (text === null) return;
    const found = parse(text);
    if (found === null && attempt < ATTEMPTS / 2) {
      // Most likely its owner is just writing it; a file cut short by a crash stays that way.
      await sleep(RETRY_MS);
      return;
    }
    if (found !== null && (await isLive(found))) {
      throw new DataFolderInUseError(
        `The data folder ${dataDir} is in use by another Mediadock (process ${found.ownerPid}). ` +
          'Stop that one, or give this one its own DATA_DIR.',
      );
    }
    // Only what was judged dead may go: another contender may have replaced it in the meantime.
    const aside = `${this.#path}.${this.#ownership.id}`;
    await rename(this.#path, aside).catch(ignoreMissing);
    const moved = await readLock(aside);
    await (moved === null || moved === text ? rm(aside, { force: true }) : rename(aside, this.#path));
  }

  #content(): string {
    return `${JSON.stringify(this.#ownership, null, 2)}\n`;
  }
}

async function isLive(ownership: Ownership): Promise<boolean> {
  if (!(await isAlive(ownership.ownerPid))) return false;
  const startTime = await startTimeOf(ownership.ownerPid);
  return startTime === null || ownership.ownerStartTime === null || startTime === ownership.ownerStartTime;
}

async function readLock(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return null;
    if (!hasErrorCode(error, 'EACCES')) throw error;
    const message = `${path} belongs to another user: run Mediadock and its tools as the same one.`;
    throw new EmbeddedPostgresError(message, { cause: error });
  }
}

function parse(text: string | null): Ownership | null {
  const value = parseJson(text ?? '');
  return isOwnership(value) ? value : null;
}

function isOwnership(value: unknown): value is Ownership {
  return isRecord(value) && typeof value.id === 'string' && Number.isInteger(value.ownerPid);
}

function ignoreMissing(error: unknown): void {
  if (!hasErrorCode(error, 'ENOENT')) throw error;
}
