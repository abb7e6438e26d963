export type Verdict = 'ok' | 'warning' | 'problem';

/** What one check found out, in words for whoever runs the installation. */
export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly message: string;
  /** What to do about it; with everything that is not ok. */
  readonly remedy?: string;
}

export type Check = () => Promise<Finding[]>;

export function ok(check: string, message: string): Finding {
  return { check, verdict: 'ok', message };
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, verdict: 'warning', message, remedy };
}

export function problem(check: string, message: string, remedy: string): Finding {
  return { check, verdict: 'problem', message, remedy };
}

/** The reason behind an error, down to its last cause: that is the one that names the host or the permission. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return reasonOf(error.errors[0]);
  }
  if (error instanceof Error) {
    return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
  }
  return String(error);
}
