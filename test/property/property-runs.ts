import * as fc from 'fast-check';
import { printFigures, runOptions } from '../support/run-options.js';

export interface Bounds {
  /** Runs under `npm test`. */
  readonly count: number;
  /** What one run may take at the most, on a busy machine. */
  readonly secondsPerRun: number;
}

const START_SECONDS = 60;
/** What is left for the report once the search for a smaller counterexample has to end. */
const REPORT_SECONDS = 15;

/**
 * A property, checked as often as `npm test` has time for or as `npm run test:property -- --count N --seed N` asks for.
 * Prints its seed before it begins; a failure says seed, path and the smallest counterexample that was found.
 */
export class PropertyRuns {
  private readonly count: number;
  private readonly seed: number;
  private readonly seconds: number;

  constructor(
    private readonly title: string,
    bounds: Bounds,
  ) {
    const { count, seed } = runOptions({ count: bounds.count });
    this.count = count;
    this.seed = seed;
    this.seconds = START_SECONDS + count * bounds.secondsPerRun;
  }

  /** For the test: later than every bound in here, so that the report comes before the end. */
  get timeout(): number {
    return (this.seconds + REPORT_SECONDS) * 1000;
  }

  /** @param figures what else is worth knowing about the runs, asked for when they are over */
  async hold<Values>(
    property: fc.IAsyncProperty<Values> | fc.IProperty<Values>,
    figures: () => Readonly<Record<string, number | string>> = () => ({}),
  ): Promise<void> {
    const started = performance.now();
    printFigures(`property: ${this.title}`, { seed: this.seed, runs: this.count });
    await fc.assert<Values>(property, {
      numRuns: this.count,
      seed: this.seed,
      interruptAfterTimeLimit: this.seconds * 1000,
      markInterruptAsFailure: true,
      includeErrorInReport: true,
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    printFigures(`property holds: ${this.title}`, {
      seed: this.seed,
      runs: this.count,
      seconds,
      ...figures(),
    });
  }
}
