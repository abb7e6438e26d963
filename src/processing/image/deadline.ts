import { ProcessingTimeout } from './processing-fault.js';

/** sharp takes at most an hour. */
const MAX_SECONDS = 3_600;

/** One time limit shared by all steps of a job. */
export class Deadline {
  private readonly endsAt: number;

  constructor(private readonly seconds: number) {
    this.endsAt = performance.now() + seconds * 1_000;
  }

  /** Whole seconds, at least 1, as sharp's `timeout` wants them. Throws `ProcessingTimeout` when none is left. */
  remainingSeconds(): number {
    const left = Math.ceil((this.endsAt - performance.now()) / 1_000);
    if (left <= 0) {
      throw new ProcessingTimeout(`Processing took more than ${this.seconds} s`);
    }
    return Math.min(left, MAX_SECONDS);
  }
}
