import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const RANDOM_BYTES = 16;
/** Of a hundred ids at once: each call for randomness costs more than what it brings. */
const pool = Buffer.alloc(RANDOM_BYTES * 100);
let used = pool.length;

let lastMsecs = -Infinity;
let lastSeq = 0;

/**
 * A new UUIDv7. Those of one process come in the order in which they were made, also within a millisecond (RFC 9562, section
 * 6.2, method 1): the files of a batch are listed by them.
 */
export function newId(): string {
  const random = randomBytes();
  const now = Date.now();
  if (now > lastMsecs) {
    lastMsecs = now;
    // 31 of the 32 bits that there is room for: counting up from here never gets to their end within a millisecond.
    lastSeq = random.readUInt32BE(0) >>> 1;
  } else {
    lastSeq += 1;
  }
  return uuidv7({ random, msecs: lastMsecs, seq: lastSeq });
}

function randomBytes(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += RANDOM_BYTES;
  return pool.subarray(used - RANDOM_BYTES, used);
}
