import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import type { Params } from 'nestjs-pino';
import { v7 as uuidv7 } from 'uuid';
import { principalOf } from './principal.js';

/** What may come from outside into our logs as a request id. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Names the request before anything can go wrong with it; pino keeps an id that is there. */
export function identifyRequest(
  request: Request & { id?: string },
  response: Response,
  next: NextFunction,
): void {
  const offered = request.headers['x-request-id'];
  request.id = typeof offered === 'string' && REQUEST_ID.test(offered) ? offered : uuidv7();
  response.setHeader('x-request-id', request.id);
  next();
}

/**
 * Structured request logs: one line a request, with its id, and without anything that opens a door. Headers are not
 * logged (tokens), and neither are queries (signatures of signed URLs).
 */
export function requestLog(level: string): Params {
  return {
    pinoHttp: {
      level,
      serializers: {
        req: (request: { id: unknown; method: string; url: string }) => ({
          id: request.id,
          method: request.method,
          path: request.url.split('?', 1)[0],
        }),
        res: (response: { statusCode: number }) => ({ status: response.statusCode }),
      },
      customProps: (request: IncomingMessage) => ({ userId: principalOf(request)?.userId ?? undefined }),
      customLogLevel: (_request: IncomingMessage, response: ServerResponse, error?: Error) =>
        error || response.statusCode >= 500 ? 'error' : 'info',
      autoLogging: {
        ignore: (request) => request.url?.startsWith('/health') === true || request.url === '/metrics',
      },
    },
  };
}
