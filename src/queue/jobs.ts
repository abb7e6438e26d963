/** Every job there is. A new one is added here, and the compiler then asks for its handler. */
export type Job =
  | { readonly name: 'generate_thumbnails'; readonly mediaFileId: string }
  | { readonly name: 'delete_files'; readonly mediaFileId: string };

export type JobName = Job['name'];

/** How an attempt ended when it did not throw. A throw means: try again. */
export type JobOutcome =
  | 'done'
  /** There was nothing (left) to do: the file is gone, or somebody else has done it. */
  | 'skipped'
  /** The file failed for good, and that has been recorded. */
  | 'failed';

export interface JobAttempt {
  /** From 1. */
  readonly number: number;
  /** True when the queue will not try again by itself. */
  readonly last: boolean;
}

export type JobHandler = (job: Job, attempt: JobAttempt) => Promise<JobOutcome>;

/** One job a file and type, so a double enqueue is one job. */
export function jobIdOf(job: Job): string {
  return `${job.name}:${job.mediaFileId}`;
}

const BACKOFF_BASE_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;

/**
 * The wait before the next attempt: exponential, with full jitter, so that jobs which failed together (storage was
 * down) do not come back together.
 *
 * @param attempt number of the attempt that failed, from 1
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (attempt - 1));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
