import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inParallel } from './in-parallel.js';

describe(inParallel, () => {
  it('gives the results in the order of the items, whatever the order in which they come', async () => {
    const results = await inParallel(3, [5, 1, 4, 0, 2], async (turns) => {
      for (let turn = 0; turn < turns; turn++) {
        await nextTurn();
      }
      return turns * 10;
    });
    expect(results).toEqual([50, 10, 40, 0, 20]);
  });

  it('never has more at work than it was told, and no fewer while there are more', async () => {
    let atWork = 0;
    const seen: number[] = [];
    await inParallel(4, Array.from({ length: 20 }), async () => {
      seen.push(++atWork);
      await nextTurn();
      atWork--;
    });
    expect(Math.max(...seen)).toBe(4);
    expect(await inParallel(4, [], () => Promise.reject(new Error('Nobody asked')))).toEqual([]);
  });

  it('fails when one of them does', async () => {
    await expect(inParallel(2, [1, 2, 3], failAtTwo)).rejects.toThrow('two');
  });
});

async function failAtTwo(item: number): Promise<number> {
  if (item === 2) {
    throw new Error('two');
  }
  return item;
}
