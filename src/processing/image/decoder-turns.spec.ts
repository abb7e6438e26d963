import { describe, expect, it } from 'vitest';
import { DecoderTurns } from './decoder-turns.js';

/** An operation that ends when the test says so; each attempt at it is counted and takes the next ending. */
function operation() {
  const attempts: PromiseWithResolvers<string>[] = [];
  return {
    attempts,
    run: (): Promise<string> => {
      const ending = Promise.withResolvers<string>();
      attempts.push(ending);
      return ending.promise;
    },
  };
}

/** Lets everything that can go on do so. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe(DecoderTurns.name, () => {
  it('lets operations work side by side', async () => {
    const turns = new DecoderTurns();
    const [one, other] = [operation(), operation()];
    const both = Promise.all([turns.run(one.run), turns.run(other.run)]);
    await settle();
    expect([one.attempts.length, other.attempts.length]).toEqual([1, 1]);
    other.attempts[0]?.resolve('other');
    one.attempts[0]?.resolve('one');
    await expect(both).resolves.toEqual(['one', 'other']);
  });

  it('believes the error of an operation that was alone', async () => {
    const turns = new DecoderTurns();
    const lonely = operation();
    const failing = turns.run(lonely.run);
    await settle();
    lonely.attempts[0]?.reject(new Error('its own'));
    await expect(failing).rejects.toThrow('its own');
    expect(lonely.attempts).toHaveLength(1);
  });

  it('tries one that failed in company again, alone', async () => {
    const turns = new DecoderTurns();
    const [victim, company, later] = [operation(), operation(), operation()];
    const outcome = turns.run(victim.run);
    const others = [turns.run(company.run)];
    await settle();
    victim.attempts[0]?.reject(new Error("somebody else's"));
    await settle();
    others.push(turns.run(later.run));
    await settle();
    expect([victim.attempts.length, later.attempts.length]).toEqual([1, 0]);

    company.attempts[0]?.resolve('done');
    await settle();
    expect([victim.attempts.length, later.attempts.length]).toEqual([2, 0]);

    victim.attempts[1]?.resolve('whole after all');
    await expect(outcome).resolves.toBe('whole after all');
    await settle();
    later.attempts[0]?.resolve('done');
    await expect(Promise.all(others)).resolves.toEqual(['done', 'done']);
  });

  it('takes company for such also when it came later, or had left before the error', async () => {
    const turns = new DecoderTurns();
    const [victim, company] = [operation(), operation()];
    const outcome = turns.run(victim.run);
    await settle();
    const other = turns.run(company.run);
    await settle();
    company.attempts[0]?.resolve('done');
    await other;
    victim.attempts[0]?.reject(new Error('somebody else’s'));
    await settle();
    victim.attempts[1]?.reject(new Error('its own'));
    await expect(outcome).rejects.toThrow('its own');
  });

  it('does not try again what libvips has not said', async () => {
    const turns = new DecoderTurns();
    const [victim, company] = [operation(), operation()];
    const outcome = turns.run(victim.run);
    const other = turns.run(company.run);
    await settle();
    victim.attempts[0]?.reject(new TypeError('a mistake in the code'));
    await expect(outcome).rejects.toThrow('a mistake in the code');
    company.attempts[0]?.resolve('done');
    await other;
    expect(victim.attempts).toHaveLength(1);
  });
});
