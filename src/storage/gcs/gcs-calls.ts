import { setTimeout as sleep } from 'node:timers/promises';
import { type OutgoingRequests, withDeadline } from './deadline.js';
import { isTransient, translateError } from './gcs-errors.js';

/** All times in milliseconds. */
export interface RetryPolicy {
  /** How often a call is tried at most. */
  readonly attempts: number;
  /** How long one attempt may take. */
  readonly attemptTimeoutMs: number;
  /** The same for one that moves a whole object. */
  readonly transferTimeoutMs: number;
  /** How long all attempts together may take, pauses included. */
  readonly totalTimeoutMs: number;
  /** The longest pause before the second attempt; doubles with each further one. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** A download from which nothing comes for this long has broken off. */
  readonly stallTimeoutMs: number;
}

/** Someone waits for most calls: better a clear failure after half a minute than an answer that nobody reads any more. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  attempts: 5,
  attemptTimeoutMs: 8_000,
  transferTimeoutMs: 25_000,
  totalTimeoutMs: 30_000,
  firstPauseMs: 250,
  longestPauseMs: 4_000,
  stallTimeoutMs: 15_000,
};

/**
 * Makes calls to Cloud Storage, and makes them again when they failed for a reason that may pass. The retries of the
 * client itself stay off: they crash the process on a streaming read, and switch themselves off on some writes.
 *
 * Only what may run twice belongs here: reads, and writes bound to a generation.
 */
export class GcsCalls {
  constructor(readonly policy: RetryPolicy) {}

  /**
   * @param operation the verb of the port, for errors and logs
   * @throws ObjectNotFoundError on 404, PreconditionFailedError on 412, else StorageUnavailableError
   */
  run<Result>(operation: string, call: (requests: OutgoingRequests) => Promise<Result>): Promise<Result> {
    return this.attempt(operation, call, this.policy.attemptTimeoutMs);
  }

  /** The same for a call that moves a whole object and so takes longer. */
  transfer<Result>(operation: string, call: () => Promise<Result>): Promise<Result> {
    return this.attempt(operation, call, this.policy.transferTimeoutMs);
  }

  private async attempt<Result>(
    operation: string,
    call: (requests: OutgoingRequests) => Promise<Result>,
    attemptTimeoutMs: number,
  ): Promise<Result> {
    const end = performance.now() + this.policy.totalTimeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const left = Math.max(1, end - performance.now());
        return await withDeadline(Math.min(attemptTimeoutMs, left), call);
      } catch (error) {
        const pause = this.pauseAfter(attempt);
        if (!isTransient(error) || attempt >= this.policy.attempts || performance.now() + pause >= end) {
          throw translateError(operation, error);
        }
        await sleep(pause);
      }
    }
  }

  /** From half of the limit up to all of it, so that processes which failed together do not come back together. */
  private pauseAfter(attempt: number): number {
    const limit = Math.min(this.policy.longestPauseMs, this.policy.firstPauseMs * 2 ** (attempt - 1));
    return (limit * (1 + Math.random())) / 2;
  }
}
