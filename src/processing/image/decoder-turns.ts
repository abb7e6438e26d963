import { isReportedByVips } from './decoder-errors.js';

interface Turn {
  readonly alone: boolean;
  /** Whether another operation was at work during any part of this one. */
  inCompany: boolean;
}

interface Waiter {
  readonly alone: boolean;
  readonly admit: (turn: Turn) => void;
}

/**
 * libvips collects the texts of all errors of a process in one buffer, and sharp empties it whenever any operation
 * ends. So what an operation fails with while others are at work may be another's text, or none; and on that text
 * depends what a file is told, even whether a whole photo is refused for a harmless warning. An operation that failed
 * in company is therefore tried again with nobody else at work, and what comes of that counts.
 *
 * First come, first served: whoever waits to be alone is not kept waiting by those who come later.
 */
export class DecoderTurns {
  private readonly atWork = new Set<Turn>();
  private readonly waiting: Waiter[] = [];

  /** For everything that runs in libvips: also what cannot fail itself empties the buffer of others. */
  async run<Result>(operation: () => Promise<Result>): Promise<Result> {
    const turn = await this.enter(false);
    try {
      return await operation();
    } catch (error) {
      if (!turn.inCompany || !isReportedByVips(error)) {
        throw error;
      }
    } finally {
      this.leave(turn);
    }
    const alone = await this.enter(true);
    try {
      return await operation();
    } finally {
      this.leave(alone);
    }
  }

  private async enter(alone: boolean): Promise<Turn> {
    if (this.waiting.length === 0 && this.isFreeFor(alone)) {
      return this.start(alone);
    }
    const { promise, resolve } = Promise.withResolvers<Turn>();
    this.waiting.push({ alone, admit: resolve });
    return promise;
  }

  private start(alone: boolean): Turn {
    const turn = { alone, inCompany: this.atWork.size > 0 };
    for (const other of this.atWork) {
      other.inCompany = true;
    }
    this.atWork.add(turn);
    return turn;
  }

  private leave(turn: Turn): void {
    this.atWork.delete(turn);
    for (
      let next = this.waiting[0];
      next !== undefined && this.isFreeFor(next.alone);
      next = this.waiting[0]
    ) {
      this.waiting.shift();
      next.admit(this.start(next.alone));
    }
  }

  private isFreeFor(alone: boolean): boolean {
    return alone ? this.atWork.size === 0 : [...this.atWork].every((turn) => !turn.alone);
  }
}

/** As there is one libvips in a process, there is one of these. */
export const decoderTurns = new DecoderTurns();
