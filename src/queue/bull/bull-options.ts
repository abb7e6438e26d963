import type { AdvancedSettings, QueueOptions } from 'bull';
import { backoffMs } from '../jobs.js';
import type { RedisConnections } from './redis-connections.js';

export const QUEUE_NAME = 'jobs';
/** The braces make it a hash tag: a Redis Cluster keeps all keys of the queue in one slot, as Bull's scripts demand. */
export const KEY_PREFIX = '{mediadock}';
/** Name of our own schedule of retries. */
export const BACKOFF = 'mediadock';

/** A lock is renewed at half of its life. A worker that is gone is noticed after at most a lock and two checks. */
const LOCK_MS = 30_000;
const STALLED_CHECK_MS = 30_000;
/** A job that has taken two workers down is given up, and left to the sweeper, which comes ever more slowly. */
const MAX_STALLED_COUNT = 1;
/** The pause of a processor that could not go on with a job, as when Redis has lost it. */
const RETRY_PROCESS_MS = 1_000;

export type BullTimings = Pick<AdvancedSettings, 'lockDuration' | 'stalledInterval' | 'guardInterval'>;

/** Missing from the library's own types. */
interface VersionCheck {
  /** Bull would connect as soon as it is constructed, to ask for a version that every Redis has had for years. */
  readonly skipVersionCheck: true;
}

export function bullOptions(
  connections: RedisConnections,
  prefix: string,
  timings: BullTimings,
): QueueOptions & VersionCheck {
  return {
    prefix,
    skipVersionCheck: true,
    createClient: (kind) => {
      const connection = connections.create(kind);
      if (kind === 'subscriber') {
        // Bull listens for delayed jobs here. Without it retries come up to five seconds late, so trying is enough.
        connection.on('ready', () => {
          connection.subscribe(`${prefix}:${QUEUE_NAME}:delayed`).catch(() => {});
        });
      }
      return connection;
    },
    settings: {
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: MAX_STALLED_COUNT,
      retryProcessDelay: RETRY_PROCESS_MS,
      backoffStrategies: { [BACKOFF]: (attemptsMade) => backoffMs(attemptsMade) },
      ...timings,
    },
  };
}

/** What Bull calls its workers in `CLIENT LIST`, and recognises them by. */
export function connectionName(prefix: string): string {
  return `${prefix}:${Buffer.from(QUEUE_NAME).toString('base64')}`;
}
