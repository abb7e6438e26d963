import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readExpiry } from './read-expiry.js';

describe(readExpiry.name, () => {
  it('leaves more than half of the time to live, and never more than all of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 2, max: 604_800 }), (now, ttl) => {
        const left = readExpiry(now, ttl) - now / 1000;

        expect(left).toBeGreaterThan(Math.floor(ttl / 2));
        expect(left).toBeLessThanOrEqual(ttl);
      }),
    );
  });

  it('moves in steps', () => {
    expect(readExpiry(1_000_000, 600)).toBe(1500);
    expect(readExpiry(1_199_999, 600)).toBe(1500);
    expect(readExpiry(1_200_000, 600)).toBe(1800);
  });
});
