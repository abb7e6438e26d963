import { readFile, readlink, rename, symlink } from 'node:fs/promises';
import { isFileSystemError, nullIfMissing, writeDurably } from './durable-files.js';

/**
 * A label is a short text in a name of its own, kept as the target of a symbolic link, as Firefox and Emacs keep their locks.
 * A link is there as a whole or not at all, needs one call where a file needs eight, and is on the disk as soon as its
 * folder is flushed. Where a file system has no links, or in what an earlier version has written, a label is a file.
 */

/** Leads nowhere on any system, so nothing that follows links can be led astray by what a client wrote. */
const NOWHERE = '/dev/null/';
const NO_SYMLINK = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENAMETOOLONG'];

/**
 * Whoever flushes the folder makes it last. Does nothing when there is a label: the same name says the same.
 *
 * @param draft a free name on the same file system, should the label have to be a file
 */
export async function writeLabel(path: string, text: string, draft: string): Promise<void> {
  try {
    await symlink(NOWHERE + encodeURIComponent(text), path);
  } catch (error) {
    if (isFileSystemError(error, 'EEXIST')) {
      return;
    }
    if (!isFileSystemError(error, ...NO_SYMLINK)) {
      throw error;
    }
    await writeDurably(draft, text);
    await rename(draft, path);
  }
}

export async function readLabel(path: string): Promise<string | null> {
  try {
    const target = await readlink(path).catch(nullIfMissing);
    return target && decodeURIComponent(target.slice(NOWHERE.length));
  } catch (error) {
    if (!isFileSystemError(error, 'EINVAL')) {
      throw error;
    }
    return readFile(path, 'utf8').catch(nullIfMissing);
  }
}
