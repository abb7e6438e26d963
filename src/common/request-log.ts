import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import type { Params } from 'nestjs-pino';
import { destination, type Logger } from 'pino';
import { principalOf } from './principal.js';

/** What may come from outside into our logs as a request id. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Lines go out together, at the latest after so many milliseconds, and when the process ends: a write for each costs more than the line. */
const LOG_BUFFER = { minLength: 4096, periodicFlush: 200, sync: false } as const;

/** Which request a line is about, wherever in its course it is written. */
const current = new AsyncLocalStorage<Request>();

/**
 * Structured logs: every line written in the course of a request names it, without anything that opens a door. Headers are
 * not logged (tokens), and neither are queries (signatures of signed URLs).
 *
 * The library's own middleware would prepare a logger for each request; here nothing is made before there is a line.
 */
export function loggerOptions(level: string): Params {
  return {
    pinoHttp: {
      level,
      mixin: describeCurrent,
      stream: destination(LOG_BUFFER),
      // What is logged of a request is chosen below; the library would add more.
      serializers: { req: asItIs, res: asItIs },
      wrapSerializers: false,
    },
    forRoutes: [],
  };
}

/** Names every request before anything can go wrong with it, and writes one line when it is over. */
export function logRequests(logger: Logger) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const offered = request.headers['x-request-id'];
    request.id = typeof offered === 'string' && REQUEST_ID.test(offered) ? offered : randomUUID();
    response.setHeader('x-request-id', request.id);
    current.run(request, () => {
      if (!isProbe(request)) {
        const startedAt = performance.now();
        response.once('close', () => logEnd(logger, request, response, startedAt));
      }
      next();
    });
  };
}

function logEnd(logger: Logger, request: Request, response: Response, startedAt: number): void {
  const facts = {
    ...describe(request),
    userId: principalOf(request)?.userId ?? undefined,
    res: { status: response.statusCode },
    responseTime: Math.round(performance.now() - startedAt),
  };
  if (response.statusCode >= 500) {
    logger.error(facts, 'request failed');
  } else {
    logger.info(facts, response.writableFinished ? 'request completed' : 'request aborted');
  }
}

function describeCurrent(): object {
  const request = current.getStore();
  return request === undefined ? {} : describe(request);
}

function describe({ id, method, originalUrl }: Request): object {
  return { req: { id, method, path: originalUrl.split('?', 1)[0] } };
}

function asItIs(value: object): object {
  return value;
}

/** What monitoring asks every few seconds would only bury the rest. */
function isProbe({ url }: Request): boolean {
  return url.startsWith('/health') || url === '/metrics';
}
