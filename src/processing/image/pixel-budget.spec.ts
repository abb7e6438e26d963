import { describe, expect, it } from 'vitest';
import { PixelBudget } from './pixel-budget.js';

/** A task that runs until told to end, and says whether it was started. */
function task() {
  const end = Promise.withResolvers<void>();
  const state = { started: false, end: end.resolve, fail: end.reject };
  const run = (): Promise<void> => {
    state.started = true;
    return end.promise;
  };
  return { state, run };
}

/** Lets everything that can go on do so. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe(PixelBudget.name, () => {
  it('starts what fits together and holds back what does not', async () => {
    const budget = new PixelBudget(100);
    const [first, second, third] = [task(), task(), task()];
    const all = [budget.run(60, first.run), budget.run(40, second.run), budget.run(1, third.run)];
    await settle();
    expect([first, second, third].map(({ state }) => state.started)).toEqual([true, true, false]);

    second.state.end();
    await settle();
    expect(third.state.started).toBe(true);
    first.state.end();
    third.state.end();
    await Promise.all(all);
  });

  it('serves in the order of arrival, so that a large image is not starved by small ones', async () => {
    const budget = new PixelBudget(100);
    const [running, large, small] = [task(), task(), task()];
    const all = [budget.run(50, running.run), budget.run(90, large.run), budget.run(10, small.run)];
    await settle();
    expect([large.state.started, small.state.started]).toEqual([false, false]);

    running.state.end();
    await settle();
    expect([large.state.started, small.state.started]).toEqual([true, true]);
    large.state.end();
    small.state.end();
    await Promise.all(all);
  });

  it('lets an image larger than the whole budget run, alone', async () => {
    const budget = new PixelBudget(100);
    const [small, huge, next] = [task(), task(), task()];
    const all = [budget.run(1, small.run), budget.run(1_000, huge.run), budget.run(1, next.run)];
    await settle();
    expect(huge.state.started).toBe(false);

    small.state.end();
    await settle();
    expect([huge.state.started, next.state.started]).toEqual([true, false]);
    huge.state.end();
    await settle();
    expect(next.state.started).toBe(true);
    next.state.end();
    await Promise.all(all);
  });

  it('gives the pixels back when a task fails, and passes its error on', async () => {
    const budget = new PixelBudget(100);
    const failing = budget.run(100, () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    await expect(budget.run(100, () => Promise.resolve('done'))).resolves.toBe('done');
  });

  it('never exceeds its capacity, whatever the order in which tasks end', async () => {
    const budget = new PixelBudget(100);
    let held = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => {
        const cost = 1 + ((index * 37) % 100);
        return budget.run(cost, async () => {
          held += cost;
          most = Math.max(most, held);
          for (let turn = 0; turn < index % 5; turn += 1) {
            await settle();
          }
          held -= cost;
        });
      }),
    );
    expect(held).toBe(0);
    expect(most).toBeLessThanOrEqual(100);
  });
});
