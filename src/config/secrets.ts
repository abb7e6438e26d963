import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrorCode } from '../common/error-code.js';
import { makePassableFolder, syncFolder } from '../common/folders.js';
import type { AppConfig } from './app-config.js';
import { ConfigError } from './parse-environment.js';

/** Keys that this installation makes for itself. Never logged, never part of the configuration. */
export interface Secrets {
  /** HS256 key when no JWT setting is given, else null. */
  readonly jwtSecret: string | null;
  /** HMAC key of signed local-storage URLs; null with a cloud store, which signs by itself. */
  readonly storageSigningKey: Buffer | null;
}

/** Injection token of {@link Secrets}. */
export const SECRETS = Symbol('SECRETS');

const SECRET_BYTES = 32;

/**
 * Reads the secrets below `DATA_DIR/secrets`, making the ones that are needed and not there yet.
 *
 * @throws ConfigError when one of them is too short to be one
 */
export async function loadSecrets(config: AppConfig): Promise<Secrets> {
  const folder = join(config.dataDir, 'secrets');
  const configured = config.auth.key.kind === 'secret' ? config.auth.key.secret : null;
  return {
    jwtSecret: config.auth.key.kind === 'generated' ? await readOrMake(folder, 'jwt-secret') : configured,
    storageSigningKey:
      config.storage.driver === 'local'
        ? Buffer.from(await readOrMake(folder, 'storage-signing-key'), 'base64url')
        : null,
  };
}

async function readOrMake(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  return requireWhole((await readIfThere(path)) ?? (await make(folder, path)), path);
}

/** A file that a full disk or a restore has left empty must not become a key that everybody can guess. */
function requireWhole(secret: string, path: string): string {
  if (Buffer.from(secret, 'base64url').length < SECRET_BYTES) {
    throw new ConfigError([
      `${path} holds no secret of ${SECRET_BYTES} bytes: restore it, or delete it for a new one, with which what the old one signed is void`,
    ]);
  }
  return secret;
}

async function make(folder: string, path: string): Promise<string> {
  // Only the last folder is for nobody else: the database server, under its own account, has to get through the first.
  await makePassableFolder(dirname(folder));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Written aside and linked into place: of several processes that start at once, one wins, and none reads half a file.
  const candidate = `${path}.${randomBytes(6).toString('hex')}`;
  await writeNew(candidate, randomBytes(SECRET_BYTES).toString('base64url'));
  try {
    await takePlace(candidate, path);
  } finally {
    await rm(candidate, { force: true });
  }
  await syncFolder(folder);
  return (await readFile(path, 'utf8')).trim();
}

async function takePlace(candidate: string, path: string): Promise<void> {
  try {
    await link(candidate, path);
  } catch (error) {
    if (hasErrorCode(error, 'EEXIST')) {
      return;
    }
    // Some file systems have no links (exFAT, SMB). There, whoever starts at the same moment may read half a key, which is refused.
    await writeNew(path, await readFile(candidate, 'utf8')).catch(unlessThere);
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true });
}

function unlessThere(error: unknown): void {
  if (!hasErrorCode(error, 'EEXIST')) {
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) {
      return null;
    }
    throw error;
  }
}
