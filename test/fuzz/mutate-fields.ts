import type { ImageFormat } from '../../src/processing/image/image-format.js';
import { type Block, join, split } from './image-blocks.js';
import type { Dice } from './image-dice.js';
import { BOUNDARIES } from './mutate-bytes.js';

/** A number in the head of a block that decides what a decoder does with all that follows. */
interface Field {
  readonly block: string;
  readonly at: number;
  readonly bytes: number;
  /** Left out, any boundary value. */
  readonly values?: readonly number[];
}

const DIMENSIONS: Readonly<Record<ImageFormat, readonly Field[]>> = {
  jpeg: ['c0', 'c2'].flatMap((block) => [
    { block, at: 5, bytes: 2 },
    { block, at: 7, bytes: 2 },
  ]),
  png: ['IHDR', 'fcTL'].flatMap((block) => {
    const at = block === 'IHDR' ? 8 : 12;
    return [
      { block, at, bytes: 4 },
      { block, at: at + 4, bytes: 4 },
    ];
  }),
  gif: [
    { block: 'header', at: 6, bytes: 2 },
    { block: 'header', at: 8, bytes: 2 },
    ...[1, 3, 5, 7].map((at) => ({ block: 'image', at, bytes: 2 })),
  ],
  webp: [
    ...[12, 15].map((at) => ({ block: 'VP8X', at, bytes: 3 })),
    ...[14, 16].map((at) => ({ block: 'VP8 ', at, bytes: 2 })),
    { block: 'VP8L', at: 9, bytes: 4 },
    ...[8, 11, 14, 17].map((at) => ({ block: 'ANMF', at, bytes: 3 })),
  ],
};

const BYTE = Array.from({ length: 256 }, (_, value) => value);

const SWITCHES: Readonly<Record<ImageFormat, readonly Field[]>> = {
  jpeg: [
    // The kind of frame: baseline, progressive, lossless, with arithmetic coding, and what is none.
    ...['c0', 'c2'].map((block) => ({ block, at: 1, bytes: 1, values: BYTE.slice(0xc0, 0xd0) })),
    ...['c0', 'c2'].flatMap((block) => [
      { block, at: 4, bytes: 1, values: [1, 2, 8, 12, 16] },
      { block, at: 9, bytes: 1, values: [0, 1, 2, 3, 4, 5, 10, 255] },
      ...[11, 14, 17].map((at) => ({ block, at, bytes: 1, values: BYTE })),
      ...[12, 15].map((at) => ({ block, at, bytes: 1, values: [0, 1, 3, 4, 255] })),
    ]),
    ...[4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((at) => ({ block: 'da', at, bytes: 1, values: BYTE })),
    ...[4, 5, 20].map((at) => ({ block: 'c4', at, bytes: 1, values: BYTE })),
    { block: 'db', at: 4, bytes: 1, values: BYTE },
    { block: 'ee', at: 15, bytes: 1, values: [0, 1, 2, 3] },
    ...[12, 14, 18, 20].map((at) => ({ block: 'e1', at, bytes: 2 })),
    ...[16, 17, 18, 20].map((at) => ({ block: 'e2', at, bytes: 1, values: BYTE })),
  ],
  png: [
    { block: 'IHDR', at: 16, bytes: 1, values: [0, 1, 2, 4, 8, 16, 32] },
    { block: 'IHDR', at: 17, bytes: 1, values: [0, 1, 2, 3, 4, 5, 6, 7, 255] },
    { block: 'IHDR', at: 18, bytes: 1, values: [0, 1] },
    { block: 'IHDR', at: 20, bytes: 1, values: [0, 1, 2] },
    { block: 'acTL', at: 8, bytes: 4 },
    { block: 'PLTE', at: 4, bytes: 4, values: [0x504c5445, 0x74524e53] },
    ...[8, 10, 12, 14, 16].map((at) => ({ block: 'eXIf', at, bytes: 2 })),
  ],
  gif: [
    { block: 'header', at: 10, bytes: 1, values: BYTE },
    { block: 'header', at: 11, bytes: 1, values: BYTE },
    { block: 'image', at: 9, bytes: 1, values: BYTE },
    ...[10, 11, 12].map((at) => ({ block: 'image', at, bytes: 1, values: BYTE })),
    ...[1, 2, 3, 6].map((at) => ({ block: 'extension', at, bytes: 1, values: BYTE })),
  ],
  webp: [
    { block: 'VP8X', at: 8, bytes: 1, values: BYTE },
    ...[8, 9, 10, 18, 19, 20, 21].map((at) => ({ block: 'VP8 ', at, bytes: 1, values: BYTE })),
    ...[8, 13, 14, 15, 16].map((at) => ({ block: 'VP8L', at, bytes: 1, values: BYTE })),
    { block: 'ALPH', at: 8, bytes: 1, values: BYTE },
    { block: 'ANMF', at: 23, bytes: 1, values: BYTE },
    ...['VP8 ', 'VP8L', 'ALPH'].map((block) => ({
      block,
      at: 0,
      bytes: 4,
      values: [0x56503820, 0x5650384c, 0x414c5048, 0x414e4d46],
    })),
    ...[10, 12, 16].map((at) => ({ block: 'EXIF', at, bytes: 2 })),
  ],
};

/** Of a picture's size, most often one side; so that a decoder is asked for a strip rather than for nothing. */
export function changeDimensions(bytes: Buffer, format: ImageFormat, dice: Dice): Buffer {
  return change(bytes, format, DIMENSIONS[format], dice.pick([1, 1, 2]), dice);
}

export function changeSwitches(bytes: Buffer, format: ImageFormat, dice: Dice): Buffer {
  return change(bytes, format, SWITCHES[format], dice.pick([1, 1, 2, 3]), dice);
}

function change(
  bytes: Buffer,
  format: ImageFormat,
  fields: readonly Field[],
  times: number,
  dice: Dice,
): Buffer {
  const blocks = split(Buffer.from(bytes), format);
  const present = fields.filter((field) => blocks.some((block) => isIn(field, block)));
  for (let count = 0; count < times && present.length > 0; count += 1) {
    const field = dice.pick(present);
    const block = dice.pick(blocks.filter((candidate) => isIn(field, candidate)));
    const value = dice.pick(field.values ?? BOUNDARIES) % 256 ** field.bytes;
    if (format === 'gif' || (format === 'webp' && field.values === undefined)) {
      block.bytes.writeUIntLE(value, field.at, field.bytes);
    } else {
      block.bytes.writeUIntBE(value, field.at, field.bytes);
    }
  }
  return join(blocks);
}

function isIn(field: Field, block: Block): boolean {
  return block.name === field.block && block.bytes.length >= field.at + field.bytes;
}
