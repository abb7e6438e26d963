import { hash } from 'node:crypto';
import { parse, stringify, validate } from 'uuid';
import { invalidField } from '../common/problem.js';

/** Where a page ended: the last row's place in the order (createdAt, id). */
export interface CursorPosition {
  /** Microseconds since 1970: the database's full precision, which a JavaScript Date does not have. */
  readonly createdAtMicros: bigint;
  readonly id: string;
}

// version (1) + microseconds (8) + id (16) + checksum (5): 30 bytes are 40 characters of base64url, without padding.
const VERSION = 1;
const PAYLOAD_BYTES = 25;
const CHECKSUM_BYTES = 5;
/** So that it is no checksum of anything else. */
const PURPOSE = Buffer.from('mediadock-cursor');
/** The year 2255, and as far back: what a Date and a timestamp of the database can both say to the microsecond. */
const MAX_MICROS = BigInt(Number.MAX_SAFE_INTEGER);
const SHAPE = /^[\w-]{40}$/;

export function encodeCursor(position: CursorPosition): string {
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  payload.writeUInt8(VERSION, 0);
  payload.writeBigInt64BE(position.createdAtMicros, 1);
  payload.set(parse(position.id), 9);
  return Buffer.concat([payload, checksum(payload)]).toString('base64url');
}

/**
 * @throws ProblemError `validation_failed` for anything that `encodeCursor` has not made: a cursor that is cut or
 *   garbled must not pass as another place in the list
 */
export function decodeCursor(cursor: string): CursorPosition {
  const bytes = SHAPE.test(cursor) ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0);
  const payload = bytes.subarray(0, PAYLOAD_BYTES);
  if (
    bytes.length !== PAYLOAD_BYTES + CHECKSUM_BYTES ||
    payload[0] !== VERSION ||
    !checksum(payload).equals(bytes.subarray(PAYLOAD_BYTES))
  ) {
    throw invalidField('cursor', 'is not one that this list has given out');
  }
  const id = stringify(payload.subarray(9));
  const createdAtMicros = payload.readBigInt64BE(1);
  if (!validate(id) || createdAtMicros > MAX_MICROS || createdAtMicros < -MAX_MICROS) {
    throw invalidField('cursor', 'is not one that this list has given out');
  }
  return { createdAtMicros, id };
}

/** Guards against accidents, not against forgery: a list only ever shows the user's own files. */
function checksum(payload: Buffer): Buffer {
  return hash('sha256', Buffer.concat([PURPOSE, payload]), 'buffer').subarray(0, CHECKSUM_BYTES);
}
