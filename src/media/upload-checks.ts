import type { AppConfig } from '../config/app-config.js';
import { ProblemError } from '../common/problem.js';
import type { ObjectHead } from '../storage/object-storage.js';
import { ACCEPTED_MIME_TYPES, type AcceptedType, acceptedType } from './media-types.js';
import type { MediaFile } from './media-file.entity.js';
import { notFound } from './ownership.js';
import { sniffMimeType } from './sniff.js';

/** @throws ProblemError `invalid_type` */
export function requireAcceptedType(mimeType: string): AcceptedType {
  const type = acceptedType(mimeType);
  if (type === null) {
    throw new ProblemError('invalid_type', `Accepted are ${ACCEPTED_MIME_TYPES.join(', ')}`);
  }
  return type;
}

/** @throws ProblemError `file_too_large` */
export function requireSizeWithin(bytes: number, type: AcceptedType, limits: AppConfig['media']): void {
  const maxBytes = type.maxBytes(limits);
  if (bytes > maxBytes) {
    throw new ProblemError(
      'file_too_large',
      `A file of type ${type.mimeType} may have at most ${maxBytes} bytes`,
    );
  }
}

/** @throws ProblemError `type_mismatch` */
export async function requireBytesOfType(head: Uint8Array, mimeType: string): Promise<void> {
  const found = await sniffMimeType(head);
  if (found !== mimeType) {
    throw new ProblemError(
      'type_mismatch',
      `Declared as ${mimeType}, but the bytes are ${found ?? 'of no type that we know'}`,
    );
  }
}

/** What has arrived is what was declared. @throws ProblemError `size_mismatch`, `type_mismatch` */
export async function requireDeclared(head: ObjectHead, file: MediaFile): Promise<void> {
  if (head.size !== file.fileSize) {
    throw new ProblemError(
      'size_mismatch',
      `Declared were ${file.fileSize} bytes, ${head.size} have arrived`,
    );
  }
  await requireBytesOfType(head.bytes, file.mimeType);
}

/** Whether the ticket to this file is still good for something: its bytes may come, or are confirmed. */
export function isOfUse(file: MediaFile): boolean {
  const open = file.status !== 'pending' || file.uploadExpiresAt.getTime() > Date.now();
  return open && !file.isDiscarded;
}

/** Why nothing can be put and confirmed for this file any more; null when it can. */
export function closedBecause(file: MediaFile): ProblemError | null {
  if (file.deletedAt !== null) {
    return notFound();
  }
  const expired = file.status === 'pending' && file.uploadExpiresAt.getTime() <= Date.now();
  if (expired || file.processingError === 'upload_expired') {
    return uploadExpired();
  }
  return file.status === 'pending'
    ? null
    : new ProblemError('invalid_status', `Only a pending file can be confirmed; this one is ${file.status}`, {
        currentStatus: file.status,
      });
}

export function uploadExpired(): ProblemError {
  return new ProblemError('upload_expired', 'The upload window has closed: request a new upload URL');
}
