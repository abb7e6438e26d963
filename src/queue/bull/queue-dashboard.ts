import { createHash, timingSafeEqual } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { contentSecurityPolicy } from 'helmet';
import type { AppConfig } from '../../config/app-config.js';
import type { JobQueue } from '../job-queue.js';
import { BullJobQueue } from './bull-job-queue.js';

const PATH = '/admin/queues';

/** Its own scripts and nobody else's: the page asks for a font of another company, and does without. */
const DASHBOARD_CSP = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'"],
  connectSrc: ["'self'"],
  baseUri: ["'self'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

/** Shows the queue to operators below `/admin/queues`. Without credentials in the configuration there is no such page. */
export function mountQueueDashboard(app: NestExpressApplication, config: AppConfig, queue: JobQueue): void {
  if (config.queueDashboard === null || !(queue instanceof BullJobQueue)) {
    return;
  }
  const adapter = new ExpressAdapter();
  adapter.setBasePath(PATH);
  createBullBoard({
    queues: [new BullAdapter(queue.queue)],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Mediadock' } },
  });
  app.use(
    PATH,
    requirePassword(config.queueDashboard),
    refuseOtherSites(new URL(config.http.publicBaseUrl).host),
    refuseInOutage(queue),
    contentSecurityPolicy({ useDefaults: false, directives: DASHBOARD_CSP }),
    adapter.getRouter(),
  );
}

/** HTTP Basic (RFC 7617). Hashes are compared, for they are of one length whatever was sent. */
function requirePassword({ user, password }: { user: string; password: string }): RequestHandler {
  const expected = sha256(`${user}:${password}`);
  return (request, response, next) => {
    const [, encoded = ''] = /^basic +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (timingSafeEqual(sha256(Buffer.from(encoded, 'base64').toString('utf8')), expected)) {
      next();
    } else {
      response.setHeader('WWW-Authenticate', 'Basic realm="Mediadock queues", charset="UTF-8"');
      refuse(response, 401, 'Sign in to see the queues');
    }
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A browser sends the password along with whatever another site makes it send, but it also says which site that was. */
function refuseOtherSites(publicHost: string): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    const { origin, host } = request.headers;
    const from = origin !== undefined && URL.canParse(origin) ? new URL(origin).host : origin;
    if (from === undefined || from === host || from === publicHost) {
      next();
    } else {
      refuse(response, 403, 'This request comes from another site');
    }
  };
}

/** Without this, requests would wait for Redis to come back, and a page that asks every few seconds would pile them up. */
function refuseInOutage(queue: BullJobQueue): RequestHandler {
  return (_request, response, next) => {
    if (queue.isDown) {
      refuse(response, 503, 'Redis does not answer now');
    } else {
      next();
    }
  };
}

function refuse(response: Response, status: number, reason: string): void {
  response.status(status).type('text/plain').send(reason);
}
