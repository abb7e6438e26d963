import { createHash } from 'node:crypto';
import { seededRandom } from '../support/images.js';

/** What `--seed` takes. */
const SEEDS = 1_000_000_000;

/**
 * The seed of one file of a run. The first has the seed of the run itself, so that a run of one file from the seed
 * of any other makes that very file again.
 */
export function seedOfFile(seed: number, index: number): number {
  return index === 0 ? seed : createHash('sha256').update(`${seed}:${index}`).digest().readUInt32BE() % SEEDS;
}

/** Everything that is left to chance comes from here, so that a seed says it all. */
export class Dice {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** A whole number from 0 to `limit` - 1; 0 when there is none. */
  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) {
      throw new RangeError('There is nothing to pick from');
    }
    return item;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}
