import { access, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasErrorCode } from '../common/error-code.js';
import type { AppConfig } from '../config/app-config.js';
import { type Finding, ok, problem, warning } from './finding.js';

const GIBIBYTE = 1024 ** 3;
const ROOM_TO_WORK = 0.25 * GIBIBYTE;
const ROOM_FOR_A_WHILE = 2 * GIBIBYTE;

/** Room on the disk, where files or the database are kept on this machine. */
export async function checkDisk(config: AppConfig): Promise<Finding[]> {
  const { bavail, bsize } = await statfs(await nearestThere(config.dataDir));
  const free = bavail * bsize;
  const message = `${(free / GIBIBYTE).toFixed(1)} GiB are free below DATA_DIR`;
  if (free < ROOM_TO_WORK) {
    return [problem('disk', message, 'Make room, or move DATA_DIR: uploads will fail soon')];
  }
  return free < ROOM_FOR_A_WHILE
    ? [warning('disk', message, 'Make room, or move DATA_DIR')]
    : [ok('disk', message)];
}

/** Before the first start there is no data folder yet; the room for it is where it will be. */
async function nearestThere(folder: string): Promise<string> {
  try {
    await access(folder);
    return folder;
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT') || folder === dirname(folder)) {
      throw error;
    }
    return nearestThere(dirname(folder));
  }
}
