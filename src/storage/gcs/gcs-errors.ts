import { hasErrorCode } from '../../common/error-code.js';
import { ObjectNotFoundError, StorageUnavailableError } from '../storage.errors.js';
import { DeadlineError } from './deadline.js';

/** A write met another generation than the one it was to replace (HTTP 412). Never leaves the driver. */
export class PreconditionFailedError extends Error {
  override readonly name = 'PreconditionFailedError';
}

/** A media request was answered with something other than the object. Has the shape of the client's own errors. */
export class MediaResponseError extends Error {
  override readonly name = 'MediaResponseError';

  constructor(
    /** HTTP status. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** What a network says when it is to blame, and another try may find it well again. */
const NETWORK_CODES = [
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
];

/**
 * Whether the same call may succeed a moment later: no answer, too many requests, or a fault of the server
 * (Cloud Storage, "Retry strategy"). Everything else would only fail again.
 */
export function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== null) {
    return status === 408 || status === 429 || status >= 500;
  }
  if (error instanceof DeadlineError || hasErrorCode(error, ...NETWORK_CODES)) {
    return true;
  }
  return error instanceof Error && error.cause !== undefined && isTransient(error.cause);
}

/** What the port promises its callers, made of whatever the client threw. */
export function translateError(operation: string, error: unknown): Error {
  const status = statusOf(error);
  if (status === 404 && !isMissingBucket(error)) {
    return new ObjectNotFoundError(operation, { cause: error });
  }
  if (status === 412) {
    return new PreconditionFailedError(`The object has another generation`, { cause: error });
  }
  return new StorageUnavailableError(operation, { cause: error });
}

/** Whether an answer came, and failed with this HTTP status. */
export function hasStatus(error: unknown, status: number): boolean {
  return statusOf(error) === status;
}

/** HTTP status of a failed answer; null when there was none. The client has it as a number, the auth library elsewhere. */
function statusOf(error: unknown): number | null {
  if (!(error instanceof Error)) {
    return null;
  }
  const { code, status } = error as Error & { readonly code?: unknown; readonly status?: unknown };
  if (typeof status === 'number') {
    return status;
  }
  return typeof code === 'number' ? code : null;
}

/** A bucket that is not there is a fault of the installation, and must never look like an upload that did not arrive. */
function isMissingBucket(error: unknown): boolean {
  return error instanceof Error && error.message.includes('bucket does not exist');
}
