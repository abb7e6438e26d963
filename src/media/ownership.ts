import { ProblemError } from '../common/problem.js';
import type { MediaFile } from './media-file.entity.js';

export function notFound(): ProblemError {
  return new ProblemError('not_found', 'There is no such media file');
}

/** @throws ProblemError `not_found` (also for deleted files, whoever owned them), `access_denied` */
export function requireOwn(file: MediaFile | null, userId: string): MediaFile {
  if (file === null || file.deletedAt !== null) {
    throw notFound();
  }
  if (file.userId !== userId) {
    throw new ProblemError('access_denied', 'This media file belongs to somebody else');
  }
  return file;
}
