import type { Response } from 'express';
import { inlineDisposition } from '../inline-disposition.js';
import { ObjectNotFoundError, StorageUnavailableError } from '../storage.errors.js';
import type { StoredObject } from './object-files.js';

/** The range that was asked for lies outside the object. */
export class RangeNotSatisfiableError extends Error {
  override readonly name = 'RangeNotSatisfiableError';
}

interface SendError extends Error {
  readonly status?: number;
  readonly code?: string;
  readonly syscall?: string;
}

/** What describes the object's bytes, and so does not belong into an answer without them. */
const OBJECT_HEADERS = [
  'Accept-Ranges',
  'Cache-Control',
  'Content-Disposition',
  'Content-Type',
  'ETag',
  'Last-Modified',
];

/**
 * Sends an object the safe way: with the type that was verified and not to be guessed at, and in a sandbox, so that
 * no byte of it ever runs as a script of our origin. Ranges, validators and conditional requests are the work of
 * Express. A client that goes away is no error.
 *
 * @throws ObjectNotFoundError, RangeNotSatisfiableError, StorageUnavailableError before the first byte; what fails
 * after it is thrown too, with the connection cut
 */
export async function serveObject(
  response: Response,
  object: StoredObject,
  cacheControl: string,
): Promise<void> {
  const headers = {
    'Cache-Control': cacheControl,
    'Content-Disposition': inlineDisposition(object.sidecar.originalFileName),
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'Content-Type': object.sidecar.contentType,
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'X-Content-Type-Options': 'nosniff',
  };
  // The path comes from `ObjectPaths`, and folders above it may well begin with a dot, like `.data`.
  const options = { headers, cacheControl: false, dotfiles: 'allow' } as const;
  const error = await new Promise<SendError | undefined>((resolve) => {
    response.sendFile(object.path, options, resolve);
  });
  if (error !== undefined && !isAbort(error)) {
    answerError(response, error);
  }
}

function answerError(response: Response, error: SendError): void {
  if (response.headersSent) {
    response.destroy();
    throw new StorageUnavailableError('serve', { cause: error });
  }
  for (const header of OBJECT_HEADERS) {
    response.removeHeader(header);
  }
  switch (error.status) {
    case 404:
      throw new ObjectNotFoundError('serve', { cause: error });
    case 412:
      // A condition of the client's own (RFC 9110, section 13.1.1) does not hold: no fault that needs words.
      response.status(412).end();
      return;
    case 416:
      throw new RangeNotSatisfiableError('The range is not within the object', { cause: error });
    default:
      throw new StorageUnavailableError('serve', { cause: error });
  }
}

function isAbort(error: SendError): boolean {
  return error.code === 'ECONNABORTED' || error.code === 'ECONNRESET' || error.syscall === 'write';
}
