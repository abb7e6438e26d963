import { randomInt } from 'node:crypto';

/** How long, how much and from where a standing test runs. */
export interface RunOptions {
  readonly seconds: number;
  readonly count: number;
  readonly seed: number;
}

/**
 * What `scripts/standing-test.mjs` was asked for, or else the test's own bounds for `npm test`. Without a seed of its
 * own a test takes a new one every time, and has to print it: whoever sees it fail must be able to run that very one.
 */
export function runOptions(bounds: { seconds?: number; count?: number; seed?: number } = {}): RunOptions {
  return {
    seconds: given('TEST_SECONDS') ?? bounds.seconds ?? 0,
    count: given('TEST_COUNT') ?? bounds.count ?? 0,
    seed: given('TEST_SEED') ?? bounds.seed ?? randomInt(1, 1_000_000_000),
  };
}

/** Whether somebody asked for a run of their own, rather than `npm test` for its bounded one. */
export function isLongRun(): boolean {
  return given('TEST_SECONDS') !== null || given('TEST_COUNT') !== null;
}

/** Figures of a run, for `docs/reliability.md`; printed past the reporter, which would put a frame around them. */
export function printFigures(title: string, figures: Readonly<Record<string, number | string>>): void {
  const lines = Object.entries(figures).map(([name, value]) => `  ${name}: ${value}`);
  process.stdout.write(`\n${title}\n${lines.join('\n')}\n`);
}

function given(name: string): number | null {
  const text = process.env[name];
  return text === undefined || text === '' ? null : Number(text);
}
