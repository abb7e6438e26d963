import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { Request } from 'express';
import { invalidField } from '../common/problem.js';

const HEADER = 'Idempotency-Key';
const MAX_LENGTH = 255;
/** Printable ASCII. What is in it is the client's business. */
const KEY = /^[\x20-\x7e]+$/;

/**
 * The client's key for this request, or null when it sent none.
 *
 * @throws ProblemError `validation_failed`
 */
export const IdempotencyKey = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  parseIdempotencyKey(context.switchToHttp().getRequest<Request>().headersDistinct[HEADER.toLowerCase()]),
);

/** @param values one for each time that the header came */
export function parseIdempotencyKey(values: readonly string[] | undefined): string | null {
  const [key, ...others] = values ?? [];
  if (key === undefined) {
    return null;
  }
  if (others.length > 0) {
    throw invalidField(HEADER, 'must be sent once');
  }
  if (key.length > MAX_LENGTH || !KEY.test(key)) {
    throw invalidField(HEADER, `must be 1 to ${MAX_LENGTH} printable ASCII characters`);
  }
  return key;
}

/** Documents the header; the answers that it can lead to are listed with the others of the operation. */
export function ApiIdempotencyKey(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: HEADER,
      required: false,
      description:
        'Makes it safe to repeat this request when its answer got lost: for 24 hours, the same key with the same body is answered with the same status and the same body, byte for byte, and nothing is done twice. The key is yours to choose, a new one for every new request (a UUID, say); keys of different users and routes never meet. Refusals and errors are not kept: the same key may be sent again. A replay is the first answer as it was: a signed URL in it may have expired, and a file in it may have been deleted.',
      schema: { type: 'string', minLength: 1, maxLength: MAX_LENGTH, pattern: '^[ -~]+$' },
      example: '8f14e45f-ceea-467f-a9f3-3c1d7a2f5b60',
    }),
  );
}
