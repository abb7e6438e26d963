import { open, rename } from 'node:fs/promises';
import { isFileSystemError, removeFile, tryLink, versionOrNull } from './durable-files.js';
import { ObjectExistsError } from './local-upload.errors.js';

/** Links a file to a name. False when the name is taken, or there are no links. */
export async function tryLinkIfFree(from: string, to: string): Promise<boolean> {
  try {
    return await tryLink(from, to);
  } catch (error) {
    if (isFileSystemError(error, 'EEXIST')) {
      return false;
    }
    throw error;
  }
}

/** Gives a file a name that nobody has. The old one may stay. @throws ObjectExistsError when it is taken */
export async function moveIfAbsent(from: string, to: string, hardLinks: boolean): Promise<void> {
  try {
    if (!(hardLinks && (await tryLink(from, to)))) {
      await moveUnderClaim(from, to);
    }
  } catch (error) {
    throw isFileSystemError(error, 'EEXIST') ? new ObjectExistsError({ cause: error }) : error;
  }
}

/** Without hard links: whoever holds the claim is alone to look whether the name is free, and to take it. */
async function moveUnderClaim(from: string, to: string): Promise<void> {
  const claim = `${to}.claim`;
  const handle = await open(claim, 'wx');
  try {
    if ((await versionOrNull(to)) !== null) {
      throw new ObjectExistsError();
    }
    await rename(from, to);
  } finally {
    await handle.close();
    await removeFile(claim);
  }
}
