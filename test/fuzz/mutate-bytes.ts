import type { Dice } from './image-dice.js';

/** Damage that knows nothing of formats. Each takes a file and gives a new one; the one it got stays as it was. */
export type ByteMutation = (bytes: Buffer, dice: Dice) => Buffer;

/** Where lengths, counts and dimensions turn over, become negative, or get large. */
export const BOUNDARIES: readonly number[] = [
  0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0xff_ffff,
  0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];

const HEAD_BYTES = 256;
const LONGEST_RUN = 64;

/** A place anywhere in the file; every second time near its beginning, where more depends on a byte. */
function placeIn(bytes: Buffer, dice: Dice): number {
  return dice.below(dice.chance(0.5) ? Math.min(HEAD_BYTES, bytes.length) : bytes.length);
}

function flipBits(bytes: Buffer, dice: Dice): Buffer {
  const flipped = Buffer.from(bytes);
  for (let count = dice.between(1, 16); count > 0 && flipped.length > 0; count -= 1) {
    const at = placeIn(flipped, dice);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << dice.below(8));
  }
  return flipped;
}

function overwrite(bytes: Buffer, dice: Dice): Buffer {
  const at = placeIn(bytes, dice);
  const length = Math.min(dice.between(1, LONGEST_RUN), bytes.length - at);
  const run = dice.chance(0.5) ? dice.bytes(length) : Buffer.alloc(length, dice.pick([0, 0xff, 0x80]));
  return Buffer.concat([bytes.subarray(0, at), run, bytes.subarray(at + length)]);
}

function remove(bytes: Buffer, dice: Dice): Buffer {
  const at = placeIn(bytes, dice);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + dice.between(1, LONGEST_RUN))]);
}

function insert(bytes: Buffer, dice: Dice): Buffer {
  const at = placeIn(bytes, dice);
  return Buffer.concat([bytes.subarray(0, at), dice.bytes(dice.between(1, LONGEST_RUN)), bytes.subarray(at)]);
}

function repeat(bytes: Buffer, dice: Dice): Buffer {
  const at = placeIn(bytes, dice);
  const run = bytes.subarray(at, at + dice.between(1, LONGEST_RUN));
  const times = Array.from({ length: dice.between(2, 40) }, () => run);
  return Buffer.concat([bytes.subarray(0, at), ...times, bytes.subarray(at + run.length)]);
}

/** A boundary value in one, two, three or four bytes, whichever end first. */
function writeBoundary(bytes: Buffer, dice: Dice): Buffer {
  const written = Buffer.from(bytes);
  const width = dice.pick([1, 2, 2, 3, 4, 4]);
  if (written.length < width) {
    return written;
  }
  const at = Math.min(placeIn(written, dice), written.length - width);
  const value = dice.pick(BOUNDARIES) % 256 ** width;
  if (dice.chance(0.5)) {
    written.writeUIntBE(value, at, width);
  } else {
    written.writeUIntLE(value, at, width);
  }
  return written;
}

function cut(bytes: Buffer, dice: Dice): Buffer {
  return bytes.subarray(0, dice.chance(0.3) ? bytes.length - dice.between(1, 20) : dice.below(bytes.length));
}

/** The length stays, the rest of the data does not. */
function blank(bytes: Buffer, dice: Dice): Buffer {
  return Buffer.from(bytes).fill(dice.pick([0, 0xff]), dice.below(bytes.length));
}

/** The head of an empty ZIP archive is its end: such a file opens as a picture and as an archive. */
const PAYLOADS: readonly Buffer[] = [
  Buffer.from('PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1'),
  Buffer.from('<!doctype html><html><body><script>alert(document.domain)</script></body></html>'),
  Buffer.from('<?php system($_GET["cmd"]); ?>'),
  Buffer.from('*/=alert(1);/*'),
  Buffer.from('%PDF-1.7\n1 0 obj\n<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>\nendobj\n'),
  Buffer.from('\x7fELF\x02\x01\x01', 'latin1'),
];

function appendPayload(bytes: Buffer, dice: Dice): Buffer {
  return Buffer.concat([bytes, dice.chance(0.8) ? dice.pick(PAYLOADS) : dice.bytes(dice.between(1, 4000))]);
}

function hidePayload(bytes: Buffer, dice: Dice): Buffer {
  const at = placeIn(bytes, dice);
  return Buffer.concat([bytes.subarray(0, at), dice.pick(PAYLOADS), bytes.subarray(at)]);
}

function prefix(bytes: Buffer, dice: Dice): Buffer {
  const before = dice.chance(0.5) ? dice.pick(PAYLOADS) : dice.bytes(dice.between(1, 16));
  return Buffer.concat([before, bytes]);
}

export const BYTE_MUTATIONS: Readonly<Record<string, ByteMutation>> = {
  'bits flipped': flipBits,
  'run overwritten': overwrite,
  'run removed': remove,
  'run inserted': insert,
  'run repeated': repeat,
  'boundary value': writeBoundary,
  'cut off': cut,
  'rest blanked': blank,
  'payload appended': appendPayload,
  'payload inside': hidePayload,
  prefixed: prefix,
};
