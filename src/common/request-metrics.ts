import type { NextFunction, Request, Response } from 'express';
import type { Metrics } from './metrics.js';

/** What certain answers are measured as, beside their route. */
const APART = new WeakMap<Response, string>();

/** Measures this answer in a series of its own: the others of its route say how fast it is, this one takes its time. */
export function measureApart(response: Response, as: string): void {
  APART.set(response, as);
}

/** Measures every request by its route's template: a path as it came would make a new series for every id. */
export function requestMetrics(metrics: Metrics) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const stop = metrics.requests.startTimer();
    response.once('close', () => {
      const route: unknown = request.route?.path;
      const apart = APART.get(response);
      const template = typeof route === 'string' ? route : 'unmatched';
      stop({
        method: request.method,
        route: apart === undefined ? template : `${template} (${apart})`,
        status: String(response.statusCode),
      });
    });
    next();
  };
}
