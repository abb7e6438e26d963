import type { NextFunction, Request, Response } from 'express';
import type { Metrics } from './metrics.js';

/** Measures every request by its route's template: a path as it came would make a new series for every id. */
export function requestMetrics(metrics: Metrics) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const stop = metrics.requests.startTimer();
    response.once('close', () => {
      const route: unknown = request.route?.path;
      stop({
        method: request.method,
        route: typeof route === 'string' ? route : 'unmatched',
        status: String(response.statusCode),
      });
    });
    next();
  };
}
