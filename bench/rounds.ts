import type { Scale } from './scale.js';
import { median, spread } from './statistics.js';

/** CPU time for one request (or image), in milliseconds. */
export interface CpuPerUnit {
  readonly service: number;
  readonly postgres: number;
  readonly redis: number;
}

/** What one side did in one round. */
export interface Sample {
  /** In the unit of the comparison. */
  readonly value: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly cpu?: CpuPerUnit;
}

/** What one side did in all rounds: medians, and how far the values lie apart as a part of their median. */
export interface Side {
  readonly median: number;
  readonly spread: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly cpu?: CpuPerUnit;
}

export interface Comparison {
  readonly floor: Side;
  readonly service: Side;
  /** The median of service ÷ floor within each round, since machines drift from one round to the next. */
  readonly ratio: number;
}

/** Lets floor and service take turns, each going first every other round. */
export async function compare(
  rounds: number,
  sides: Readonly<Record<'floor' | 'service', () => Promise<Sample>>>,
  onRound: () => void,
): Promise<Comparison> {
  const samples: { floor: Sample; service: Sample }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const floorFirst = round % 2 === 0 ? await sides.floor() : null;
    const service = await sides.service();
    samples.push({ floor: floorFirst ?? (await sides.floor()), service });
    onRound();
  }
  return {
    floor: summary(samples.map(({ floor }) => floor)),
    service: summary(samples.map(({ service }) => service)),
    ratio: median(samples.map(({ floor, service }) => service.value / floor.value)),
  };
}

function summary(samples: readonly Sample[]): Side {
  const values = samples.map(({ value }) => value);
  const p50s = samples.flatMap(({ p50Ms }) => p50Ms ?? []);
  const p99s = samples.flatMap(({ p99Ms }) => p99Ms ?? []);
  const cpus = samples.flatMap(({ cpu }) => cpu ?? []);
  return {
    median: median(values),
    spread: spread(values),
    ...(p50s.length > 0 ? { p50Ms: median(p50s), p99Ms: median(p99s) } : {}),
    ...(cpus.length > 0
      ? {
          cpu: {
            service: median(cpus.map(({ service }) => service)),
            postgres: median(cpus.map(({ postgres }) => postgres)),
            redis: median(cpus.map(({ redis }) => redis)),
          },
        }
      : {}),
  };
}

type Turn = (seconds: number) => Promise<Sample>;

/** The first of it also tells how much more is needed. */
const FIRST_WARM_UP_SECONDS = 0.5;
/** However slow a machine is, its warm-up comes to an end. */
const MAX_WARM_UP_SECONDS = 16;

interface Conditions {
  readonly scale: Scale;
  readonly onRound: () => void;
}

/** For sides whose code the workload before this one has warmed up. */
export function warmBefore({ scale, onRound }: Conditions): Conditions {
  return { scale: { ...scale, warmUpAnswers: scale.warmUpAnswers / 8 }, onRound };
}

/** The same after both have been warmed up: code that has just been loaded is slow on either side. */
export async function compareWarm(
  { scale, onRound }: Conditions,
  turns: Readonly<Record<'floor' | 'service', Turn>>,
): Promise<Comparison> {
  await warmUp(turns.floor, scale.warmUpAnswers);
  await warmUp(turns.service, scale.warmUpAnswers);
  return compare(
    scale.rounds,
    { floor: () => turns.floor(scale.seconds), service: () => turns.service(scale.seconds) },
    onRound,
  );
}

/** A value is a number of answers in a second. */
async function warmUp(turn: Turn, answers: number): Promise<void> {
  const { value } = await turn(FIRST_WARM_UP_SECONDS);
  const seconds = Math.min(answers / value, MAX_WARM_UP_SECONDS) - FIRST_WARM_UP_SECONDS;
  if (seconds > 0) {
    await turn(seconds);
  }
}

/**
 * The same after so many turns of either side that do not count, for work whose turns have no length to choose. The worker has
 * just been started, and nobody has confirmed anything before: code that has run a few times takes several times as long as it
 * will in the long run.
 */
export async function compareAfterTurns(
  warmUpTurns: number,
  ...[rounds, sides, onRound]: Parameters<typeof compare>
): Promise<Comparison> {
  for (let turn = 0; turn < warmUpTurns; turn += 1) {
    await sides.floor();
    await sides.service();
  }
  return compare(rounds, sides, onRound);
}
