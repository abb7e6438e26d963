/**
 * The error catalogue: every code a client can meet, its HTTP status and its title. The codes are a contract,
 * so a code is added here or nowhere. Served as `application/problem+json` (RFC 9457).
 */
export const PROBLEMS = {
  unauthenticated: { status: 401, title: 'Authentication is required' },
  user_not_found: { status: 404, title: 'This user has no profile' },
  validation_failed: { status: 400, title: 'The request is not valid' },
  invalid_type: { status: 415, title: 'This media type is not accepted' },
  type_mismatch: { status: 415, title: 'The bytes are not of the declared type' },
  file_too_large: { status: 413, title: 'The file is too large' },
  size_mismatch: { status: 409, title: 'The stored size is not the declared one' },
  quota_exceeded: { status: 403, title: 'The storage quota is used up' },
  not_found: { status: 404, title: 'Not found' },
  access_denied: { status: 403, title: 'This belongs to somebody else' },
  invalid_status: { status: 409, title: 'Not possible in the current status' },
  file_not_found: { status: 409, title: 'No bytes have arrived yet' },
  upload_expired: { status: 410, title: 'The upload window has closed' },
  idempotency_conflict: { status: 422, title: 'This key belongs to another request' },
  idempotency_in_flight: { status: 409, title: 'The first request with this key is still being carried out' },
  rate_limited: { status: 429, title: 'Too many requests' },
  storage_unavailable: { status: 503, title: 'Object storage is not available' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  // Answered by signed local-storage URLs only, where a cloud store would answer with its own vocabulary.
  signature_invalid: { status: 403, title: 'The signature does not match the request' },
  signature_expired: { status: 400, title: 'The signed URL has expired' },
  signed_header_missing: { status: 400, title: 'A signed header is missing' },
  length_required: { status: 411, title: 'A length is required' },
  length_mismatch: { status: 400, title: 'The body does not have the signed length' },
  object_exists: { status: 412, title: 'An object is there already' },
  object_not_found: { status: 404, title: 'No such object' },
  range_not_satisfiable: { status: 416, title: 'The range is not within the object' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One mistake in a request: where, and what is wrong with it. */
export interface FieldError {
  /** Name of the field, parameter or part, dots lead into nested ones; or `body`, `path`, `request` as a whole. */
  readonly field: string;
  readonly message: string;
}

/** Members beyond RFC 9457's own that a problem may carry. */
export interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  readonly currentStatus?: string;
  /** Seconds; also sent as the `Retry-After` header. */
  readonly retryAfterSeconds?: number;
}

/**
 * A failure that the client is told about. `detail` is shown to the client as it is, so it never names keys,
 * buckets, hosts or stacks; the `cause` is for the log only.
 */
export class ProblemError extends Error {
  override readonly name: string = 'ProblemError';

  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly extras: ProblemExtras = {},
    options?: ErrorOptions,
  ) {
    super(detail, options);
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }
}

/** A `validation_failed` about a single field. */
export function invalidField(field: string, message: string): ProblemError {
  return new ProblemError('validation_failed', `${field} ${message}`, { errors: [{ field, message }] });
}

/** One `validation_failed` about all of these; each message names its field. */
export function invalidFields(errors: readonly FieldError[]): ProblemError {
  return new ProblemError('validation_failed', errors.map(({ message }) => message).join('; '), { errors });
}

/** A `validation_failed` about what is no single field: the body, the path, a header, the request as a whole. */
export function invalidPart(part: string, sentence: string, options?: ErrorOptions): ProblemError {
  return new ProblemError(
    'validation_failed',
    sentence,
    { errors: [{ field: part, message: sentence }] },
    options,
  );
}
