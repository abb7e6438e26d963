import type { IncomingMessage, Server } from 'node:http';
import { type INestApplication, RequestMethod } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerModule } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import { PinoLogger } from 'nestjs-pino';
import helmet, { contentSecurityPolicy } from 'helmet';
import { Metrics } from './common/metrics.js';
import { invalidPart, ProblemError } from './common/problem.js';
import { ProblemFilter, sendProblem } from './common/problem.filter.js';
import { logRequests } from './common/request-log.js';
import { requestMetrics } from './common/request-metrics.js';
import { createValidationPipe } from './common/validation.js';
import type { AppConfig } from './config/app-config.js';
import { answerMalformedRequests } from './common/malformed-requests.js';
import { limitConnections, oneRequestAtATime } from './connection-limits.js';
import { buildOpenApi } from './openapi-document.js';
import { JobQueue } from './queue/job-queue.js';

/** More than any request for one file has use for. */
const JSON_BODY_LIMIT = '64kb';
/** A hundred names of 255 bytes in any script, with every character escaped, and hashes. */
const BATCH_BODY_LIMIT = '256kb';
const CORS_MAX_AGE_SECONDS = 3600;

/** What every request goes through before it reaches a controller; the same in production and in tests. */
export async function configureApp(app: NestExpressApplication, config: AppConfig): Promise<void> {
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  // No validators on JSON. `false` would switch those of downloaded files off as well (`sendFile` asks the setting).
  app.set('etag', () => undefined);
  app.use(oneRequestAtATime());
  app.use(logRequests(PinoLogger.root));
  app.use(ignoreConditions);
  app.use(requestMetrics(app.get(Metrics)));
  app.use(helmet(SECURITY_HEADERS));
  app.use(requireHost);
  app.use('/docs', contentSecurityPolicy({ useDefaults: false, directives: DOCS_CSP }));
  if (config.http.corsOrigins.length > 0) {
    app.enableCors({
      origin: config.http.corsOrigins.includes('*') ? '*' : [...config.http.corsOrigins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      exposedHeaders: ['etag', 'idempotent-replayed', 'retry-after', 'x-request-id'],
      maxAge: CORS_MAX_AGE_SECONDS,
    });
  }
  if (config.role === 'worker') {
    app.use(['/v1', '/docs', '/docs-json'], answerNotServedHere);
  }
  app.useBodyParser('json', { limit: BATCH_BODY_LIMIT, strict: true, type: isBatchToRead });
  app.useBodyParser('json', { limit: JSON_BODY_LIMIT, strict: true, type: isJsonToRead });
  setRoutes(app);
  app.useGlobalPipes(createValidationPipe());
  app.useGlobalFilters(new ProblemFilter());
  SwaggerModule.setup('docs', app, () => buildOpenApi(app), {
    jsonDocumentUrl: 'docs-json',
    raw: ['json'],
    customSiteTitle: 'Mediadock API',
    swaggerOptions: { persistAuthorization: true, tryItOutEnabled: true },
  });
  limitConnections(app.getHttpServer());
  answerWhatIsNoRequest(app.getHttpServer());
  if (config.queueDashboard !== null && config.role !== 'worker') {
    // Loaded only where it is used: it comes with a user interface of its own.
    const { mountQueueDashboard } = await import('./queue/bull/queue-dashboard.js');
    mountQueueDashboard(app, config, app.get(JobQueue, { strict: false }));
  }
}

/** A worker answers for its health and its figures, and for nothing else. */
function answerNotServedHere(request: Request, response: Response): void {
  sendProblem(request, response, new ProblemError('not_found', 'This process works in the background only'));
}

/** RFC 9112, section 3.2: HTTP/1.1 without a host is a 400. */
function requireHost(request: Request, response: Response, next: NextFunction): void {
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    // Whoever does not speak HTTP has no use for a connection that stays open.
    response.setHeader('Connection', 'close');
    sendProblem(request, response, invalidPart('host', 'Send a Host header'));
    return;
  }
  next();
}

/** `/v1` before everything that clients call; what operators call has no version. */
export function setRoutes(app: INestApplication): void {
  app.setGlobalPrefix('v1', {
    exclude: [
      { path: 'health/*path', method: RequestMethod.ALL },
      { path: 'metrics', method: RequestMethod.ALL },
    ],
  });
}

const SECURITY_HEADERS = {
  // Whether a host name is to be HTTPS for ever is for whoever owns the name, at their TLS end.
  strictTransportSecurity: false,
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
} as const;

const DOCS_CSP = {
  defaultSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  styleSrc: ["'self'", "'unsafe-inline'"],
  scriptSrc: ["'self'"],
  // "Try it out" puts bytes to signed URLs, which may be a cloud store's.
  connectSrc: ["'self'", 'https:', 'http:'],
  frameAncestors: ["'none'"],
};

/**
 * What is computed for every request has no validators, so a condition on it says nothing. Express would take
 * `If-None-Match: *` for a match, and answer 304 with nothing.
 */
function ignoreConditions(request: Request, _response: Response, next: NextFunction): void {
  if (!/^\/(?:v1\/storage|docs)\//.test(request.path)) {
    delete request.headers['if-none-match'];
    delete request.headers['if-modified-since'];
  }
  next();
}

/** Only where a route takes a body: one that comes with a GET means nothing (RFC 9110, section 9.3.1), so it cannot be wrong. */
function isJsonToRead(request: IncomingMessage): boolean {
  return (
    request.method === 'POST' &&
    /^application\/json[ \t]*(?:;|$)/i.test(request.headers['content-type'] ?? '')
  );
}

function isBatchToRead(request: IncomingMessage): boolean {
  return /^\/v1\/media\/uploads\/batch\/?(?:\?|$)/i.test(request.url ?? '') && isJsonToRead(request);
}

function answerWhatIsNoRequest(server: Server): void {
  // Node's own answers to these two have no body; `requireHost` and the routes answer instead.
  Object.assign(server, { requireHostHeader: false });
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  answerMalformedRequests(server);
}
