import { ProblemError } from '../common/problem.js';

/**
 * The store did not answer, or said that it cannot now. Repeating the call later is safe. Not caught on a request,
 * it answers `storage_unavailable` without naming what was called.
 */
export class StorageUnavailableError extends ProblemError {
  override readonly name = 'StorageUnavailableError';

  constructor(
    /** The verb of the port that failed; for logs. */
    readonly operation: string,
    options?: ErrorOptions,
  ) {
    super('storage_unavailable', 'Object storage did not answer; repeating the request is safe', {}, options);
  }
}

/** There is no such object, or not in that generation. */
export class ObjectNotFoundError extends Error {
  override readonly name = 'ObjectNotFoundError';

  constructor(operation: string, options?: ErrorOptions) {
    super(`No such object for "${operation}"`, options);
  }
}

/** A key that Mediadock never makes: it is refused before it can reach a path or a URL. */
export class InvalidObjectKeyError extends Error {
  override readonly name = 'InvalidObjectKeyError';

  constructor() {
    super('Not a valid object key');
  }
}
