import { describe, expect, it } from 'vitest';
import { InTurn } from './in-turn.js';

describe(InTurn.name, () => {
  it('begins with the next work of a name when the one before has ended, well or not', async () => {
    const sut = new InTurn();
    const steps: string[] = [];
    const works = ['a', 'b', 'c'].map((name) =>
      sut.run('same', async () => {
        steps.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        steps.push(`${name} ends`);
        if (name === 'b') {
          throw new Error('b fails');
        }
        return name;
      }),
    );

    expect(await Promise.allSettled(works)).toEqual([
      { status: 'fulfilled', value: 'a' },
      { status: 'rejected', reason: new Error('b fails') },
      { status: 'fulfilled', value: 'c' },
    ]);
    expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('lets as many run at once as it is told to, and no more', async () => {
    const sut = new InTurn(2);
    let running = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        sut.run('same', async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 1));
          running -= 1;
        }),
      ),
    );
    expect(most).toBe(2);
    expect(sut).toEqual(new InTurn(2));
  });

  it('does not make different names wait for each other', async () => {
    const sut = new InTurn();
    const held = Promise.withResolvers<void>();
    const first = sut.run('one', () => held.promise);

    expect(await sut.run('other', async () => 'done')).toBe('done');
    held.resolve();
    await first;
  });

  it('keeps nothing of works that are over', async () => {
    const sut = new InTurn();
    await Promise.all([
      sut.run('a', async () => {}),
      sut.run('a', async () => {}),
      sut.run('b', async () => {}),
    ]);

    expect(sut).toEqual(new InTurn());
  });
});
