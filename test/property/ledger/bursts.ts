import * as fc from 'fast-check';
import { anyCall, type Call } from '../calls.js';

/** Calls that are all under way at once, and what happens to the application meanwhile and after them. */
export interface Burst {
  readonly calls: readonly Call[];
  /** Milliseconds after which the application is ended under their hands and started again; null: it is not. */
  readonly restartAfter: number | null;
  /** Whether the next burst waits until the worker has nothing left to do. */
  readonly settle: boolean;
}

const burst: fc.Arbitrary<Burst> = fc.record({
  calls: fc.oneof(
    { weight: 2, arbitrary: fc.array(anyCall, { minLength: 1, maxLength: 1 }) },
    { weight: 3, arbitrary: fc.array(anyCall, { minLength: 2, maxLength: 4 }) },
  ),
  restartAfter: fc.oneof(
    { weight: 14, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 15 }) },
  ),
  settle: fc.boolean(),
});

export const bursts = fc.array(burst, { minLength: 1, maxLength: 14 });
