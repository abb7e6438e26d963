import * as fc from 'fast-check';
import { MEDIA_STATUSES } from '../../../src/media/media-file.entity.js';
import { anyCall, type Call } from '../calls.js';

/** Calls that look and change nothing, besides those that do. */
export type AnyCall =
  | Call
  | { readonly do: 'get'; readonly file: number }
  | { readonly do: 'list'; readonly status: string | null };

/** Who calls: one of two users, or somebody without a token. */
export type Who = 0 | 1 | 2;

/** Calls that are all under way at once. Files are those of both users together. */
export interface Round {
  readonly turns: readonly { readonly who: Who; readonly call: AnyCall }[];
  /** Whether the next round waits until the worker has nothing left to do. */
  readonly settle: boolean;
}

const who: fc.Arbitrary<Who> = fc.oneof(
  { weight: 12, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.constant(2) },
);

const call: fc.Arbitrary<AnyCall> = fc.oneof(
  { weight: 8, arbitrary: anyCall },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('get'), file: fc.nat({ max: 5 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('list'),
      status: fc.option(fc.constantFrom(...MEDIA_STATUSES)),
    }),
  },
);

const round: fc.Arbitrary<Round> = fc.record({
  turns: fc.oneof(
    { weight: 3, arbitrary: fc.array(fc.record({ who, call }), { minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.array(fc.record({ who, call }), { minLength: 2, maxLength: 4 }) },
  ),
  settle: fc.boolean(),
});

export const rounds = fc.array(round, { minLength: 1, maxLength: 30 });
