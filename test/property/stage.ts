import { Metrics } from '../../src/common/metrics.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import { until } from '../support/api-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { makePictures, type Picture } from './pictures.js';
import { installWitness } from './witness.js';

const POLL_MS = 2;
const TIMEOUT_MS = 20_000;

/** Asks until there is an answer, as `until` does, but without the pauses that thousands of runs would feel. */
export function soon<Value>(probe: () => Promise<Value | null>, what: string): Promise<Value> {
  return until(probe, what, TIMEOUT_MS, POLL_MS);
}

/** One application for all runs of a property, each of which brings users of its own. */
export class Stage {
  private users = 0;

  private constructor(
    private app: TestApp,
    readonly pictures: readonly Picture[],
  ) {}

  /** @param environment may lower limits, so that runs meet them */
  static async open(environment: Record<string, string> = {}): Promise<Stage> {
    // The application's own sweeps are far apart: what is swept, a run has asked for.
    const app = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600', ...environment });
    const stage = new Stage(app, await makePictures());
    await installWitness(app.database);
    await stage.firstSweep();
    return stage;
  }

  /** As it is now: another one after each restart. */
  get mediadock(): TestApp {
    return this.app;
  }

  /** A new user's subject and profile. */
  async newUser(): Promise<{ subject: string; userId: string }> {
    this.users += 1;
    const subject = `user ${this.users}`;
    await this.app.as(subject).quota();
    const [row] = await this.app.database.query<{ id: string }>(
      'select id from user_profiles where user_info_id = $1',
      [subject],
    );
    if (row === undefined) {
      throw new Error('A user who has asked for the quota has a profile');
    }
    return { subject, userId: row.id };
  }

  async sweep(): Promise<void> {
    await this.app.app.get(Sweeper, { strict: false }).sweep();
  }

  /** Waits until no job is left, none that waits to be tried again either. */
  async idle(): Promise<void> {
    const queue = this.app.app.get(JobQueue, { strict: false });
    await soon(async () => {
      const { waiting, active, delayed } = await queue.depth();
      return waiting + active + delayed === 0 ? true : null;
    }, 'the queue to be empty');
  }

  /** Back when the new application has made its first sweep, with which it takes on what the old one left. */
  async restart(): Promise<void> {
    this.app = await this.app.restart();
    await this.firstSweep();
  }

  async close(): Promise<void> {
    await this.app.close();
  }

  private async firstSweep(): Promise<void> {
    const { sweeps } = this.app.app.get(Metrics, { strict: false });
    await soon(async () => {
      const { values } = await sweeps.get();
      return values.find(({ labels, value }) => labels.outcome === 'done' && value > 0) ?? null;
    }, 'the first sweep');
  }
}
