import { deflateSync, inflateSync } from 'node:zlib';
import type { ImageFormat } from '../../src/processing/image/image-format.js';
import { type Block, join, pngChunk, split } from './image-blocks.js';
import type { Dice } from './image-dice.js';
import { BOUNDARIES, BYTE_MUTATIONS } from './mutate-bytes.js';

/** Damage to the order and the heads of a file's blocks: what is inside them stays whole. */
export type BlockMutation = (blocks: readonly Block[], dice: Dice, format: ImageFormat) => Block[];

const MOST_COPIES = 60;

function removeOne(blocks: readonly Block[], dice: Dice): Block[] {
  return blocks.toSpliced(dice.below(blocks.length), 1);
}

function repeatOne(blocks: readonly Block[], dice: Dice): Block[] {
  const at = dice.below(blocks.length);
  const copies = dice.chance(0.7) ? 1 : dice.between(2, MOST_COPIES);
  return blocks.toSpliced(at, 0, ...Array.from({ length: copies }).flatMap(() => blocks.slice(at, at + 1)));
}

function swapTwo(blocks: readonly Block[], dice: Dice): Block[] {
  const [one, other] = [dice.below(blocks.length), dice.below(blocks.length)];
  return blocks.map(
    (block, at) => (at === one ? blocks[other] : at === other ? blocks[one] : block) ?? block,
  );
}

function moveOne(blocks: readonly Block[], dice: Dice): Block[] {
  const from = dice.below(blocks.length);
  return blocks.toSpliced(from, 1).toSpliced(dice.below(blocks.length), 0, ...blocks.slice(from, from + 1));
}

/** Where a block says how long it is, and how. */
const LENGTHS: Readonly<Record<ImageFormat, { at: number; bytes: number; littleEndian: boolean }>> = {
  jpeg: { at: 2, bytes: 2, littleEndian: false },
  png: { at: 0, bytes: 4, littleEndian: false },
  gif: { at: 2, bytes: 1, littleEndian: true },
  webp: { at: 4, bytes: 4, littleEndian: true },
};

/** A boundary value, or one that is only just wrong. */
function lieAboutLength(blocks: readonly Block[], dice: Dice, format: ImageFormat): Block[] {
  const { at, bytes: width, littleEndian } = LENGTHS[format];
  return changed(blocks, dice.below(blocks.length), (block) => {
    if (block.length < at + width) {
      return block;
    }
    const told = littleEndian ? block.readUIntLE(at, width) : block.readUIntBE(at, width);
    const lie = dice.chance(0.5) ? dice.pick(BOUNDARIES) : Math.max(0, told + dice.between(-4, 4));
    const value = lie % 256 ** width;
    if (littleEndian) {
      block.writeUIntLE(value, at, width);
    } else {
      block.writeUIntBE(value, at, width);
    }
    return block;
  });
}

function damageOne(blocks: readonly Block[], dice: Dice): Block[] {
  const damage = BYTE_MUTATIONS[dice.pick(['bits flipped', 'run overwritten', 'boundary value'])];
  return changed(blocks, dice.below(blocks.length), (block) => damage?.(block, dice) ?? block);
}

/** The picture data as its filters see it, packed again: damage that no checksum of the packing notices. */
function damagePixels(blocks: readonly Block[], dice: Dice, format: ImageFormat): Block[] {
  if (format !== 'png') {
    return damageOne(blocks, dice);
  }
  const data = blocks.filter(({ name }) => name === 'IDAT').map(({ bytes }) => bytes.subarray(8, -4));
  const raw = inflated(Buffer.concat(data));
  const damage = BYTE_MUTATIONS[dice.pick(['run overwritten', 'run removed', 'run repeated', 'cut off'])];
  const packed = deflateSync(damage?.(raw, dice) ?? raw, { level: 1 });
  const middle = dice.below(packed.length);
  const chunks = [packed.subarray(0, middle), packed.subarray(middle)].map((part) => ({
    name: 'IDAT',
    bytes: pngChunk('IDAT', part),
  }));
  const first = blocks.findIndex(({ name }) => name === 'IDAT');
  const others = blocks.filter(({ name }) => name !== 'IDAT');
  return others.toSpliced(first === -1 ? others.length : first, 0, ...chunks);
}

function inflated(data: Buffer): Buffer {
  try {
    return inflateSync(data, { maxOutputLength: 4_000_000 });
  } catch {
    return Buffer.alloc(1000);
  }
}

function changed(blocks: readonly Block[], at: number, change: (bytes: Buffer) => Buffer): Block[] {
  return blocks.map((block, index) =>
    index === at ? { name: block.name, bytes: change(Buffer.from(block.bytes)) } : block,
  );
}

export const BLOCK_MUTATIONS: Readonly<Record<string, BlockMutation>> = {
  'block removed': removeOne,
  'block repeated': repeatOne,
  'blocks swapped': swapTwo,
  'block moved': moveOne,
  'length untrue': lieAboutLength,
  'block damaged': damageOne,
  'pixels damaged': damagePixels,
};

/** A block of another file in between. */
export function graft(bytes: Buffer, other: Buffer, format: ImageFormat, dice: Dice): Buffer {
  const blocks = split(bytes, format);
  const foreign = split(other, format);
  return join(
    blocks.toSpliced(
      dice.below(blocks.length + 1),
      dice.below(2),
      ...(foreign.length > 0 ? [dice.pick(foreign)] : []),
    ),
  );
}
