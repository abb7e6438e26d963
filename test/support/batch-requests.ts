import type { ProblemBody } from '../../src/common/problem.filter.js';
import type { DuplicateUploadDto, UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import type { Answer, ApiClient } from './api-client.js';

export const BATCH = '/v1/media/uploads/batch';

/** Every member that an item of an answer can have. */
export type BatchItem = Partial<UploadTicketDto & DuplicateUploadDto & ProblemBody> & {
  readonly status: number;
};

export interface Batch {
  readonly items: readonly BatchItem[];
}

/** An upload request for a JPEG of each of these sizes. */
export function jpegs(...sizes: number[]): object[] {
  return sizes.map((fileSize) => ({ fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize }));
}

export function requestBatch<Body = Batch>(client: ApiClient, items: unknown): Promise<Answer<Body>> {
  return client.sendJson<Body>('POST', BATCH, { items });
}

export function statusesOf({ body }: { readonly body: Batch }): number[] {
  return body.items.map(({ status }) => status);
}

/** The ticket in an item that is one. */
export function ticketOf(item: BatchItem | undefined): UploadTicketDto {
  const { mediaFileId, storageKey, uploadUrl, uploadHeaders, expiresAt } = item ?? {};
  if (!mediaFileId || !storageKey || !uploadUrl || !uploadHeaders || !expiresAt) {
    throw new Error(`This is no ticket: ${JSON.stringify(item)}`);
  }
  return { mediaFileId, storageKey, uploadUrl, uploadMethod: 'PUT', uploadHeaders, expiresAt };
}
