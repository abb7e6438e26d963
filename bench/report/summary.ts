import { isMet, type Result, type Run, type Target } from '../result.js';
import type { Side } from '../rounds.js';

/** A run as a person reads it in a terminal. */
export function summarize(run: Run): string {
  const blocks = run.results.map(describeResult);
  const targets = [...run.results.flatMap((result) => result.targets), ...run.memory];
  const met = targets.filter(isMet).length;
  return [
    `Mediadock bench (${run.scale}, seed ${run.seed}), ${run.startedAt}, ${run.seconds} s`,
    `${run.machine}, Node ${run.node}`,
    '',
    ...blocks,
    ...run.memory.map(describeTarget),
    '',
    `${met} of ${targets.length} targets met`,
  ].join('\n');
}

function describeResult({ title, floor, unit, figures, targets }: Result): string {
  return [
    title,
    `  floor    ${describeSide(figures.floor, unit)}  (${floor})`,
    `  service  ${describeSide(figures.service, unit)}`,
    ...targets.map(describeTarget),
    '',
  ].join('\n');
}

function describeSide({ median, spread, p50Ms, p99Ms, cpu }: Side, unit: string): string {
  return [
    `${number(median)} ${unit} ±${Math.round(spread * 50)} %`,
    ...(p50Ms === undefined || p99Ms === undefined
      ? []
      : [`p50 ${number(p50Ms)} ms, p99 ${number(p99Ms)} ms`]),
    ...(cpu === undefined
      ? []
      : [
          `CPU ${cpu.service.toFixed(3)} ms + PostgreSQL ${cpu.postgres.toFixed(3)} ms + Redis ${cpu.redis.toFixed(3)} ms`,
        ]),
  ].join(', ');
}

function describeTarget(target: Target): string {
  const { what, measured, bound, kind, unit } = target;
  return `  ${isMet(target) ? '✓' : '✗'} ${what}: ${number(measured)} ${unit}, ${kind} ${bound}`;
}

/** Three digits say enough. */
export function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
