/** An upload found its place taken: what a signed URL stores, it stores once. */
export class ObjectExistsError extends Error {
  override readonly name = 'ObjectExistsError';

  constructor(options?: ErrorOptions) {
    super('An object is there already', options);
  }
}

/** The body was longer or shorter than what was signed. */
export class LengthMismatchError extends Error {
  override readonly name = 'LengthMismatchError';

  constructor() {
    super('The body does not have the signed length');
  }
}

/** The body broke off: the client went away. Nothing is kept of it, and nobody is left to be answered. */
export class UploadInterruptedError extends Error {
  override readonly name = 'UploadInterruptedError';

  constructor(options?: ErrorOptions) {
    super('The upload broke off', options);
  }
}
