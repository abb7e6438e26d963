import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SharedStatements } from './shared-statements.js';

type Answers = readonly (string | undefined)[];

/** A statement whose runs end when the test says so. */
function heldStatement() {
  const runs: { readonly args: readonly string[]; readonly gate: PromiseWithResolvers<Answers> }[] = [];
  return {
    askedFor: () => runs.map(({ args }) => args),
    run: (args: readonly string[]): Promise<Answers> => {
      const gate = Promise.withResolvers<Answers>();
      runs.push({ args, gate });
      return gate.promise;
    },
    answer: (index: number) => runs[index]?.gate.resolve(runs[index].args.map((arg) => arg.toUpperCase())),
    answerWith: (index: number, answers: Answers) => runs[index]?.gate.resolve(answers),
    fail: (index: number, error: Error) => runs[index]?.gate.reject(error),
  };
}

function sqlError(code: string): Error {
  return Object.assign(new Error(`SQLSTATE ${code}`), { code });
}

describe('statements that are shared by those who come at once', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('let nobody wait who is alone', async () => {
    const statement = heldStatement();
    const ask = new SharedStatements().of(statement.run);
    const answer = ask('a');
    expect(statement.askedFor()).toEqual([['a']]);
    statement.answer(0);
    expect(await answer).toBe('A');
  });

  it('take all who have come while another one ran, and give each the answer that is his', async () => {
    const statement = heldStatement();
    const ask = new SharedStatements().of(statement.run);
    const answers = Promise.all(['a', 'b', 'c'].map(ask));
    statement.answer(0);
    await vi.advanceTimersByTimeAsync(0);
    expect(statement.askedFor()).toEqual([['a'], ['b', 'c']]);
    statement.answer(1);
    expect(await answers).toEqual(['A', 'B', 'C']);
  });

  it('take no more than 64 at a time', async () => {
    const statement = heldStatement();
    const ask = new SharedStatements().of(statement.run);
    const answers = Promise.all(Array.from({ length: 130 }, (_, index) => ask(`n${index}`)));
    for (const run of [0, 1, 2, 3]) {
      statement.answer(run);
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(statement.askedFor().map(({ length }) => length)).toEqual([1, 64, 64, 1]);
    expect(await answers).toEqual(Array.from({ length: 130 }, (_, index) => `N${index}`));
  });

  it('do not run beside each other, and come in the order in which they were first asked for', async () => {
    const [insert, confirm] = [heldStatement(), heldStatement()];
    const shared = new SharedStatements();
    const [inserting, confirming] = [shared.of(insert.run), shared.of(confirm.run)];
    void Promise.all([inserting('a'), confirming('b'), inserting('c'), confirming('d')]);
    expect(confirm.askedFor()).toEqual([]);
    insert.answer(0);
    await vi.advanceTimersByTimeAsync(0);
    expect([insert.askedFor(), confirm.askedFor()]).toEqual([[['a']], [['b', 'd']]]);
    confirm.answer(0);
    await vi.advanceTimersByTimeAsync(0);
    expect(insert.askedFor()).toEqual([['a'], ['c']]);
  });

  it('hold nobody up for longer than a quarter of a second', async () => {
    const statement = heldStatement();
    const ask = new SharedStatements().of(statement.run);
    const [stuck, next, later] = [ask('stuck'), ask('next'), ask('later')];
    await vi.advanceTimersByTimeAsync(249);
    expect(statement.askedFor()).toEqual([['stuck']]);
    await vi.advanceTimersByTimeAsync(1);
    expect(statement.askedFor()).toEqual([['stuck'], ['next', 'later']]);
    statement.answer(1);
    expect(await Promise.all([next, later])).toEqual(['NEXT', 'LATER']);
    const last = ask('last');
    // The stuck one comes round after all; it must not let anybody go whose turn it is not.
    statement.answer(0);
    expect(await stuck).toBe('STUCK');
    expect(statement.askedFor().at(-1)).toEqual(['last']);
    statement.answer(2);
    expect(await last).toBe('LAST');
  });

  it('leave those without an answer to themselves', async () => {
    const statement = heldStatement();
    const ask = new SharedStatements().of(statement.run);
    const answers = Promise.all([ask('a'), ask('b'), ask('c')]);
    statement.answer(0);
    await vi.advanceTimersByTimeAsync(0);
    statement.answerWith(1, [undefined, 'C']);
    expect(await answers).toEqual(['A', undefined, 'C']);
  });

  it.each(['22021', '23514'])(
    'do not let anybody pay for the value of somebody else (SQLSTATE %s)',
    async (code) => {
      const statement = heldStatement();
      const ask = new SharedStatements().of(statement.run);
      const answers = Promise.all([ask('a'), ask('b'), ask('c')]);
      statement.answer(0);
      await vi.advanceTimersByTimeAsync(0);
      statement.fail(1, sqlError(code));
      expect(await answers).toEqual(['A', undefined, undefined]);
    },
  );

  it.each([sqlError('57P01'), new Error('Connection terminated unexpectedly')])(
    'tell everybody when it is not the fault of a value (%s), and go on',
    async (fault) => {
      const statement = heldStatement();
      const ask = new SharedStatements().of(statement.run);
      const first = ask('a');
      const others = Promise.allSettled([ask('b'), ask('c')]);
      statement.answer(0);
      expect(await first).toBe('A');
      await vi.advanceTimersByTimeAsync(0);
      statement.fail(1, fault);
      expect(await others).toEqual([
        { status: 'rejected', reason: fault },
        { status: 'rejected', reason: fault },
      ]);
      const next = ask('d');
      statement.answer(2);
      expect(await next).toBe('D');
    },
  );
});
