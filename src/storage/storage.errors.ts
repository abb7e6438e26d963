/** The store did not answer, or said that it cannot now. Repeating the call later is safe. */
export class StorageUnavailableError extends Error {
  override readonly name = 'StorageUnavailableError';

  constructor(operation: string, options?: ErrorOptions) {
    super(`Object storage did not complete "${operation}"`, options);
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
