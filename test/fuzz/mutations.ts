import { type ImageFormat, mimeTypeOf } from '../../src/processing/image/image-format.js';
import { join, split, withSums } from './image-blocks.js';
import type { Original } from './image-corpus.js';
import { Dice } from './image-dice.js';
import { BLOCK_MUTATIONS, graft } from './mutate-blocks.js';
import { BYTE_MUTATIONS } from './mutate-bytes.js';
import { changeDimensions, changeSwitches } from './mutate-fields.js';

/** A damaged file, and what its sender says it is. */
export interface Mutant {
  /** What was done to what, for whoever has to find out why it fails. */
  readonly history: string;
  readonly bytes: Buffer;
  readonly mimeType: string;
  /** As declared; now and then not what is there. */
  readonly fileSize: number;
}

const MIME_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/svg+xml', 'text/html'];
const UNTRUE_TYPE = 0.04;
const UNTRUE_SIZE = 0.01;
/** How often checksums and outer lengths are made right again, so that the damage gets past them. */
const MENDED = 0.85;

/** The one mutant that belongs to this seed. */
export function makeMutant(seed: number, corpus: readonly Original[]): Mutant {
  const dice = new Dice(seed);
  const original = dice.pick(corpus);
  const done = [`${original.format} ${original.name}`];
  let bytes = original.bytes;
  for (let count = dice.pick([1, 1, 1, 2, 2, 3]); count > 0; count -= 1) {
    const step = mutateOnce(bytes, original.format, corpus, dice);
    done.push(step.name);
    bytes = step.bytes;
  }
  if (dice.chance(MENDED)) {
    bytes = withSums(bytes, original.format);
  }
  return {
    history: done.join(', '),
    bytes,
    mimeType: dice.chance(UNTRUE_TYPE) ? dice.pick(MIME_TYPES) : mimeTypeOf(original.format),
    fileSize: Math.max(0, bytes.length + (dice.chance(UNTRUE_SIZE) ? dice.pick([-1, 1, -100, 100]) : 0)),
  };
}

interface Step {
  readonly name: string;
  readonly bytes: Buffer;
}

function mutateOnce(bytes: Buffer, format: ImageFormat, corpus: readonly Original[], dice: Dice): Step {
  switch (dice.pick(['bytes', 'bytes', 'blocks', 'blocks', 'dimensions', 'switches', 'switches', 'other'])) {
    case 'bytes': {
      const name = dice.pick(Object.keys(BYTE_MUTATIONS));
      return { name, bytes: BYTE_MUTATIONS[name]?.(bytes, dice) ?? bytes };
    }
    case 'blocks': {
      const name = dice.pick(Object.keys(BLOCK_MUTATIONS));
      const blocks = split(bytes, format);
      return { name, bytes: join(BLOCK_MUTATIONS[name]?.(blocks, dice, format) ?? blocks) };
    }
    case 'dimensions':
      return { name: 'dimensions', bytes: changeDimensions(bytes, format, dice) };
    case 'switches':
      return { name: 'switches', bytes: changeSwitches(bytes, format, dice) };
    default:
      return withAnother(bytes, format, corpus, dice);
  }
}

/** Parts of two files in one: of the same format every second time, so that the whole may still make sense. */
function withAnother(bytes: Buffer, format: ImageFormat, corpus: readonly Original[], dice: Dice): Step {
  const alike = dice.chance(0.5);
  const other = dice.pick(corpus.filter((candidate) => (candidate.format === format) === alike));
  if (alike && dice.chance(0.5)) {
    return { name: `a block of ${other.name}`, bytes: graft(bytes, other.bytes, format, dice) };
  }
  const head = bytes.subarray(0, dice.below(bytes.length + 1));
  const tail = other.bytes.subarray(dice.below(other.bytes.length));
  return { name: `spliced with ${other.format} ${other.name}`, bytes: Buffer.concat([head, tail]) };
}
