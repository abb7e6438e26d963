import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const RANDOM_BYTES = 16;
/** Of a hundred ids at once: each call for randomness costs more than what it brings. */
const pool = new Uint8Array(RANDOM_BYTES * 100);
let used = pool.length;

/** A new UUIDv7 (RFC 9562, section 5.7). */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += RANDOM_BYTES;
  return uuidv7({ random: pool.subarray(used - RANDOM_BYTES, used) });
}
