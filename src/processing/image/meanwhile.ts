import { setImmediate } from 'node:timers/promises';

/**
 * Does a piece of work in this thread while libvips works in its own. Not at once: what has been started before gets as far
 * as handing its work over first.
 */
export async function meanwhile<Result>(work: () => Result): Promise<Result> {
  await setImmediate();
  return work();
}
