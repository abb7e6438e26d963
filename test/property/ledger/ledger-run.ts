import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Stage } from '../stage.js';
import { aimed } from '../calls.js';
import type { Burst } from './bursts.js';
import { agreeing, explain } from './explain.js';
import { expectNothingLeftBehind, expectPromisesKept } from './promises.js';
import type { Exchange } from './programs.js';
import { asState, expectBalanced, type Snapshot, snapshotOf } from './snapshot.js';
import type { Ledger, State } from './state.js';
import type { PropertyUser, UserCall } from '../property-user.js';

/** One user's bursts of calls, each held against the ledger, the rows and the model. */
export class LedgerRun {
  private states: readonly State[] = [{}];
  private snapshot: Snapshot = { rows: [], limit: 0, used: 0, reserved: 0 };

  constructor(
    private readonly stage: Stage,
    private readonly user: PropertyUser,
    private readonly ledger: Ledger,
  ) {}

  async play(bursts: readonly Burst[]): Promise<void> {
    for (const burst of bursts) {
      await this.explained(await this.exchange(burst));
      if (burst.settle) {
        await this.stage.idle();
        await this.explained([]);
      }
    }
    await this.stage.idle();
    await this.explained([]);
    await expectPromisesKept(this.stage, this.user);
    await expectNothingLeftBehind(this.stage, this.user);
  }

  /** Takes the next look, and holds it against what can have come of these calls. */
  private async explained(exchanges: readonly Exchange[]): Promise<void> {
    const before = this.states;
    this.snapshot = await snapshotOf(this.stage.mediadock.database, this.user.userId);
    expectBalanced(this.snapshot);
    const possible = explain(before, exchanges, this.ledger);
    const rows = asState(this.snapshot, this.ledger.sizes);
    this.states = agreeing(possible, rows);
    if (this.states.length === 0) {
      const what = { before, exchanges, possible, rows };
      throw new Error(`No order of these calls explains answers and rows:\n${inspect(what, { depth: 6 })}`);
    }
  }

  private async exchange({ calls, restartAfter }: Burst): Promise<Exchange[]> {
    const ids = this.snapshot.rows.map(({ id }) => id);
    const exchanges = calls
      .map((call) => aimed(call, ids, (id) => this.user.tickets.has(id)))
      .filter((call) => call !== null)
      .map((call) => this.make(call, restartAfter !== null));
    if (restartAfter !== null) {
      exchanges.push(this.restart(restartAfter));
    }
    // All of them first: what a failed run leaves under way would fall into the next one.
    await Promise.allSettled(exchanges);
    return Promise.all(exchanges);
  }

  private async make(call: UserCall, mayBeLost: boolean): Promise<Exchange> {
    try {
      const told = await this.user.make(call);
      // An application that is being ended may say so.
      return { call, told: mayBeLost && told.outcome.startsWith('5') ? null : told };
    } catch (error) {
      if (!mayBeLost) {
        throw error;
      }
      return { call, told: null };
    }
  }

  private async restart(after: number): Promise<Exchange> {
    await wait(after);
    await this.stage.restart();
    return { call: { do: 'restart' }, told: { outcome: 'restart', ids: [] } };
  }
}
