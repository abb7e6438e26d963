import { hash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsync,
  futimesSync,
  open,
  openSync,
  read,
  statSync,
  write,
} from 'node:fs';
import { copyFile, link, mkdir, readdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/*
 * A call that may have to wait for the disk goes through libuv's threads, and takes longer to get there and back than to be
 * carried out. So what the system answers out of its memory is asked here and now: closing a file, looking at one that is
 * open or has just been linked, giving it another time, opening a folder that has just been written to
 * (docs/benchmarks.md).
 */
const openFile = promisify(open);
const writeTo = promisify(write);
const readFrom = promisify(read);
const flush = promisify(fsync);

/** Which bytes lie at a path. */
export interface FileVersion {
  /** Bytes. */
  readonly size: number;
  /** Stays the same over renames and hard links; another file at the same path has another one. */
  readonly generation: string;
}

/** A folder can be pruned by a deletion next door again and again, but hardly this often in a row. */
const DIRECTORY_ATTEMPTS = 20;

/**
 * What making a folder, or a file in it, answers when it is pruned at that moment. The latter two come from `mkdir` with
 * `recursive`: it finds that the folder exists, looks what it is, and by then it does not.
 */
const PRUNED = ['ENOENT', 'ENOTDIR', 'EEXIST'];

/** What file systems answer that have no hard links, or no further one for this file. */
const NO_HARD_LINK = ['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/** What platforms answer that cannot flush a folder; and a folder that is gone needs no flush. */
const NO_DIRECTORY_SYNC = ['EINVAL', 'EISDIR', 'EPERM', 'EACCES', 'ENOTSUP', 'ENOENT'];

export function isFileSystemError(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) {
    return false;
  }
  return codes.length === 0 || codes.includes(String(error.code));
}

export async function versionOf(path: string): Promise<FileVersion> {
  return versionIn(await stat(path, { bigint: true }));
}

function versionIn({ ino, mtimeNs, size }: BigIntStats): FileVersion {
  // Hashed, because it is shown to clients as an ETag, and inode numbers are nobody's business.
  const generation = hash('sha256', `${ino}-${mtimeNs}-${size}`).slice(0, 32);
  return { size: Number(size), generation };
}

/** The same of a path that has been touched a moment ago, so that nobody has to wait for the disk. */
export function versionNowOrNull(path: string): FileVersion | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : versionIn(found);
}

export async function versionOrNull(path: string): Promise<FileVersion | null> {
  return versionOf(path).catch(nullIfMissing);
}

/** Waits for all of them, whatever becomes of one: nobody may clean up while another is still at work. */
export async function allSettledOrThrow(...works: Promise<void>[]): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}

/** @returns false when there was none */
export async function removeFile(path: string): Promise<boolean> {
  return (await unlink(path).catch(nullIfMissing)) !== null;
}

/** For `catch`: turns "nothing is there" into null, and lets every other error pass. */
export function nullIfMissing(error: unknown): null {
  if (isFileSystemError(error, 'ENOENT')) {
    return null;
  }
  throw error;
}

/** A new file, complete, and still open. */
export interface NewFile {
  readonly version: FileVersion;
  /** Puts the bytes onto the disk. */
  readonly flush: () => Promise<void>;
}

/**
 * Writes a new file, of which nobody else knows the name, and keeps it open for the action. What a failure leaves is for
 * the caller to remove.
 */
export async function withNewFile<Result>(
  path: string,
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
  action: (file: NewFile) => Promise<Result>,
): Promise<Result> {
  const fd = await inDirectory(dirname(path), () => openFile(path, 'wx'));
  try {
    for await (const bytes of piecesOf(body)) {
      await writeAll(fd, bytes);
    }
    stamp(fd);
    return await action({ version: versionIn(fstatSync(fd, { bigint: true })), flush: () => flush(fd) });
  } finally {
    closeSync(fd);
  }
}

/** The same, flushed to the disk. */
export async function writeDurably(
  path: string,
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<FileVersion> {
  return withNewFile(path, body, async (file) => {
    await file.flush();
    return file.version;
  });
}

/** Copies to a new file, sharing the blocks where the file system can; otherwise like {@link writeDurably}. */
export async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const fd = await openFile(to, 'r+');
  try {
    stamp(fd);
    await flush(fd);
  } finally {
    closeSync(fd);
  }
}

/** A file to read from. Whoever opens it closes it. */
export interface OpenedFile extends FileVersion {
  readonly fd: number;
}

/** @throws ENOENT */
export async function openToRead(path: string): Promise<OpenedFile> {
  const fd = await openFile(path, 'r');
  return { ...versionIn(fstatSync(fd, { bigint: true })), fd };
}

/** The first bytes of a file, as many as it has. */
export async function readStart({ fd }: OpenedFile, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await readFrom(fd, Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Answers false, and does nothing, when the file system has no hard link to give. */
export async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isFileSystemError(error, ...NO_HARD_LINK)) {
      return false;
    }
    throw error;
  }
}

/** Flushes a folder, so that what was linked or renamed into it is still there after a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const fd = openSync(path, 'r');
    try {
      await flush(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!isFileSystemError(error, ...NO_DIRECTORY_SYNC)) {
      throw error;
    }
  }
}

/**
 * Runs an action that creates a file in a folder. Nearly always the folder is there; where not, it is made, and made again
 * when a concurrent deletion found it empty in between and pruned it.
 */
export async function inDirectory<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt > 1) {
        await makeDirectoryDurably(path);
      }
      return await action();
    } catch (error) {
      if (!isFileSystemError(error, ...PRUNED) || attempt === DIRECTORY_ATTEMPTS) {
        throw error;
      }
    }
  }
}

/**
 * Removes the folder and those above it that are empty, below `root`. Best effort: `rmdir` refuses a folder that
 * somebody has just put something into, which ends it.
 */
export async function pruneEmptyDirectories(path: string, root: string): Promise<void> {
  try {
    for (let directory = path; directory !== root; directory = dirname(directory)) {
      await rmdir(directory);
    }
  } catch (error) {
    if (!isFileSystemError(error)) {
      throw error;
    }
  }
}

/**
 * Removes the files below `root`, at any depth, that nobody has written, linked or renamed since `olderThan`, and
 * the folders left empty by that.
 *
 * @returns how many files were removed
 */
export async function removeStaleFiles(root: string, olderThan: Date): Promise<number> {
  let removed = 0;
  for await (const path of filesBelow(root)) {
    // The change time, for linking and renaming move it, while the modification time stays that of the bytes.
    const found = await stat(path).catch(nullIfMissing);
    if (found !== null && found.ctimeMs < olderThan.getTime()) {
      await rm(path, { force: true });
      await pruneEmptyDirectories(dirname(path), root);
      removed += 1;
    }
  }
  return removed;
}

/** Folder by folder: one that is pruned meanwhile is no reason to know nothing of the others. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(nullIfMissing);
  for (const entry of entries ?? []) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      yield* filesBelow(path);
    } else if (entry.isFile()) {
      yield path;
    }
  }
}

async function makeDirectoryDurably(path: string): Promise<void> {
  const highestMade = await mkdir(path, { recursive: true });
  if (highestMade === undefined) {
    return;
  }
  for (let directory = path; ; directory = dirname(directory)) {
    await syncDirectory(dirname(directory));
    if (directory === highestMade) {
      return;
    }
  }
}

/**
 * Kernels stamp files with a clock that ticks every few milliseconds, and hand out a freed inode number at once:
 * two uploads in a row could look like the same file. A fraction of a millisecond of our own tells them apart.
 */
function stamp(fd: number): void {
  const seconds = (Date.now() + Math.random()) / 1000;
  futimesSync(fd, seconds, seconds);
}

function piecesOf(
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (typeof body === 'string') {
    return [Buffer.from(body)];
  }
  return body instanceof Uint8Array ? [body] : body;
}

/** The system may take less than it is given. */
async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await writeTo(fd, bytes, done, bytes.length - done, null);
    done += bytesWritten;
  }
}
