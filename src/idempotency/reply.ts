import type { Response } from 'express';
import type { Reply } from './idempotency.service.js';

const REPLAYED = 'Idempotent-Replayed';

/** Sets what the reply says about status and headers. @returns the body, for the controller to return */
export function prepareReply<Body>(
  response: Response,
  { status, body, replayed }: Reply<Body>,
): Body | string {
  response.status(status);
  if (replayed) {
    response.setHeader(REPLAYED, 'true');
  }
  if (typeof body === 'string') {
    response.type('application/json');
  }
  return body;
}

/** For the documentation of an answer that can be a replay. */
export const REPLAYED_HEADER = {
  [REPLAYED]: {
    description: 'There, and `true`, when this is the answer that an earlier request with the same key got.',
    required: false,
    schema: { type: 'string' as const, enum: ['true'] },
    example: 'true',
  },
};
