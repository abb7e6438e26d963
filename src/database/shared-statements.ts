import { isAboutValues } from './sql-errors.js';

/** What several callers ask of one statement: an answer for each, at its place; undefined where it has none. */
export type Together<Args, Answer> = (all: readonly Args[]) => Promise<readonly (Answer | undefined)[]>;

/** So many callers to a statement at most: the longer the list, the longer all of them wait. */
const MAX_CALLERS = 64;

/** Milliseconds after which a statement that is still running holds up nobody any more. */
const PATIENCE_MS = 250;

/**
 * Statements that are shared by those who come at once.
 *
 * What a statement costs beside its rows (the round trip, waking two processes, starting the plan, the commit with its flush)
 * is far more than one row. So one statement runs at a time; whoever comes meanwhile waits, and all who wait for the same
 * one then go together. Nobody waits who is alone, and the more there are, the cheaper each of them gets.
 *
 * Statements of one object never run beside each other, so that they do not meet in the same rows. One that is stuck is left
 * alone after a while, as there may be nothing wrong with the next.
 */
export class SharedStatements {
  /** Full or not, in the order in which their first callers came. */
  private readonly groups: Group[] = [];
  private busy = false;

  /**
   * @param run carries out one statement for all of them; it must not wait for locks that others may hold for long
   * @returns asks for one answer; undefined when the statement had none, or when something about the arguments (nobody
   *   knows whose) made it fail: then each is to be tried alone
   */
  of<Args, Answer>(run: Together<Args, Answer>): (args: Args) => Promise<Answer | undefined> {
    let boarding: Callers<Args, Answer> | null = null;
    return (args) => {
      if (boarding === null || boarding.left) {
        boarding = new Callers(run);
        this.groups.push(boarding);
      }
      const answer = boarding.join(args);
      this.next();
      return answer;
    };
  }

  private next(): void {
    if (this.busy) {
      return;
    }
    const group = this.groups.shift();
    if (group !== undefined) {
      this.busy = true;
      void this.await(group);
    }
  }

  private async await(group: Group): Promise<void> {
    let awaited = true;
    const goOn = (): void => {
      if (awaited) {
        awaited = false;
        this.busy = false;
        this.next();
      }
    };
    const patience = setTimeout(goOn, PATIENCE_MS);
    await group.go();
    clearTimeout(patience);
    goOn();
  }
}

interface Group {
  /** Settles with the statement; never rejects. */
  go(): Promise<void>;
}

interface Caller<Answer> {
  readonly resolve: (answer: Answer | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** Those who share one statement. */
class Callers<Args, Answer> implements Group {
  /** True once nobody can join any more. */
  left = false;
  private readonly args: Args[] = [];
  private readonly callers: Caller<Answer>[] = [];

  constructor(private readonly run: Together<Args, Answer>) {}

  join(args: Args): Promise<Answer | undefined> {
    this.args.push(args);
    this.left = this.args.length === MAX_CALLERS;
    return new Promise((resolve, reject) => {
      this.callers.push({ resolve, reject });
    });
  }

  async go(): Promise<void> {
    this.left = true;
    try {
      const answers = await this.run(this.args);
      this.callers.forEach(({ resolve }, index) => resolve(answers[index]));
    } catch (error) {
      for (const { resolve, reject } of this.callers) {
        // Whose value it was cannot be told; it must not be the fault of the others.
        if (isAboutValues(error)) {
          resolve(undefined);
        } else {
          reject(error);
        }
      }
    }
  }
}
