import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { invalidPart, PROBLEMS, ProblemError, type ProblemCode, type ProblemExtras } from './problem.js';

/** A problem as it goes over the wire (RFC 9457). */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: ProblemCode;
  errors?: ProblemExtras['errors'];
  currentStatus?: string;
}

/** The one place where a failure becomes an answer: problem+json always, and nothing about the inside. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    if (request.destroyed && !request.complete && !(error instanceof ProblemError)) {
      // The client went away in the middle of its request: nobody failed, and nobody reads an answer.
      response.destroy();
      return;
    }
    const problem = toProblem(error);
    if (problem.status >= 500) {
      this.logger.error({ err: problem.cause ?? error, code: problem.code }, problem.message);
    }
    if (response.headersSent || response.destroyed) {
      // Half an answer is out: cutting the connection is the only way left to say that it is not whole.
      response.destroy();
      return;
    }
    sendProblem(request, response, problem);
  }
}

export function sendProblem(request: Request, response: Response, problem: ProblemError): void {
  if (problem.code === 'unauthenticated') {
    response.setHeader('WWW-Authenticate', 'Bearer');
  }
  if (problem.extras.retryAfterSeconds !== undefined) {
    response.setHeader('Retry-After', String(problem.extras.retryAfterSeconds));
  }
  response
    .status(problem.status)
    .type('application/problem+json')
    // Without the query: signed URLs carry their signature there.
    .send(JSON.stringify(problemBody(request.originalUrl.split('?', 1)[0] ?? '/', problem)));
}

/** A problem as it is written down; `instance` is the path that was asked for. */
export function problemBody(instance: string, problem: ProblemError): ProblemBody {
  const { errors, currentStatus } = problem.extras;
  return {
    type: `urn:mediadock:problem:${problem.code}`,
    title: PROBLEMS[problem.code].title,
    status: problem.status,
    detail: problem.message,
    instance,
    code: problem.code,
    ...(errors === undefined ? {} : { errors }),
    ...(currentStatus === undefined ? {} : { currentStatus }),
  };
}

/** Gives every failure its code: ours as they are, the framework's by status, anything else is `internal`. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) {
    return error;
  }
  const status = error instanceof HttpException ? error.getStatus() : statusOfMiddlewareError(error);
  if (status === 404) {
    return new ProblemError('not_found', 'There is nothing at this address');
  }
  if (status !== null && status >= 400 && status < 500) {
    return explain(error);
  }
  return new ProblemError(
    'internal',
    'The request could not be completed; it has been logged',
    {},
    { cause: error },
  );
}

/** Errors of body parsers and the router are no HttpExceptions, but carry a status and `expose` (http-errors). */
function statusOfMiddlewareError(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) {
    return null;
  }
  const status = 'status' in error ? error.status : null;
  const exposed = 'expose' in error && error.expose === true;
  return typeof status === 'number' && exposed ? status : null;
}

/** What body parsers object to, by the type that they give it. */
const BODY_FAULTS: Record<string, string> = {
  'entity.parse.failed': 'The body is not valid JSON',
  'entity.too.large': 'The body is larger than this route takes',
  'encoding.unsupported': 'The content encoding is not supported',
  'charset.unsupported': 'The charset is not supported',
  'request.aborted': 'The request was aborted',
  'request.size.invalid': 'The body does not have the announced length',
};

/** Codes of multer that are about more than what the route takes. */
const TOO_MUCH = /^LIMIT_(?:UNEXPECTED_FILE|FILE_COUNT|FIELD_COUNT|PART_COUNT)$/;

function explain(cause: unknown): ProblemError {
  const origin = cause instanceof HttpException ? (cause.cause ?? cause) : cause;
  const fault = BODY_FAULTS[textIn(origin, 'type') ?? ''];
  if (fault !== undefined) {
    return invalidPart('body', fault, { cause });
  }
  if (origin instanceof URIError) {
    return invalidPart('path', 'The path has an escape that stands for nothing', { cause });
  }
  if (TOO_MUCH.test(textIn(origin, 'code') ?? '')) {
    return invalidPart(textIn(origin, 'field') ?? 'body', 'Send one part with the file, and nothing else', {
      cause,
    });
  }
  if (cause instanceof HttpException && cause.cause !== undefined) {
    return invalidPart('body', 'The body could not be understood', { cause });
  }
  return invalidPart('request', 'The request could not be understood', { cause });
}

function textIn(value: unknown, property: string): string | undefined {
  const text: unknown =
    typeof value === 'object' && value !== null ? Reflect.get(value, property) : undefined;
  return typeof text === 'string' ? text : undefined;
}
