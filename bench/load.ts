import autocannon from 'autocannon';
import { quantile } from './statistics.js';

export interface LoadOptions {
  readonly origin: string;
  readonly connections: number;
  readonly seconds: number;
  /** What each connection sends, over and over, one request after the other. */
  readonly script: (connection: number) => autocannon.Request[];
}

export interface LoadResult {
  /** Requests that were answered. */
  readonly answered: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Keeps so many connections busy for so long. Every answer has to be a 2xx: how fast something fails is no figure.
 *
 * @throws Error when a request failed
 */
export async function load({ origin, connections, seconds, script }: LoadOptions): Promise<LoadResult> {
  const times: number[] = [];
  const started = performance.now();
  let next = 0;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: origin,
        connections,
        duration: seconds,
        timeout: 30,
        setupClient: (client) => {
          client.setRequests(script(next));
          next += 1;
        },
      },
      (error: unknown, done) => (error ? reject(toError(error)) : resolve(done)),
    );
    run.on('response', (_client, _status, _bytes, responseTime) => times.push(responseTime));
  });
  const failed = result.errors + result.timeouts + result.non2xx;
  if (failed > 0 || times.length === 0) {
    throw new Error(
      `${failed} of ${times.length} requests failed: ${JSON.stringify(result.statusCodeStats)}`,
    );
  }
  return {
    answered: times.length,
    requestsPerSecond: (times.length * 1000) / (performance.now() - started),
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
