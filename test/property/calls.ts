import * as fc from 'fast-check';
import { FAULTS } from './pictures.js';
import type { CallOf, UserCall } from './property-user.js';

/** A call as it is drawn: numbers of files count from the newest back. */
export type Call = CallOf<{ readonly file: number }>;

const picture = fc.nat({ max: FAULTS.length - 1 });
const file = fc.nat({ max: 3 });
const mostly = fc.integer({ min: 0, max: 3 }).map((dice) => dice > 0);

export const anyCall: fc.Arbitrary<Call> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('request'), picture, withHash: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put'), file, right: mostly }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('confirm'), file }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('direct'), picture, right: mostly }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete'), file }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire'), file }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abandon'), picture }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('requestMany'),
      pictures: fc.array(picture, { minLength: 1, maxLength: 3 }),
    }),
  },
);

/** Null for a call about a file when there is none. */
export function aimed(
  call: Call,
  ids: readonly string[],
  withTicket: (id: string) => boolean,
): UserCall | null {
  if (!('file' in call)) {
    return call;
  }
  const choice = call.do === 'put' ? ids.filter(withTicket) : ids;
  const id = choice.at(-1 - (call.file % Math.max(1, choice.length)));
  return id === undefined ? null : { ...call, id };
}
