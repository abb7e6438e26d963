import type { Comparison } from './rounds.js';

/** One line of the table of targets. */
export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly bound: number;
  readonly kind: 'at least' | 'at most';
  readonly unit: string;
}

/** One kind of work, measured. */
export interface Result {
  readonly id: string;
  readonly title: string;
  /** What the floor of it is. */
  readonly floor: string;
  /** Of the values: `requests/s`, `images/s`, `ms`. */
  readonly unit: string;
  readonly figures: Comparison;
  readonly targets: readonly Target[];
}

export interface Run {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly scale: 'full' | 'quick';
  readonly seed: number;
  readonly node: string;
  readonly machine: string;
  readonly results: readonly Result[];
  /** Peak memory; null where the system does not tell. */
  readonly memory: readonly Target[];
}

export function isMet({ measured, bound, kind }: Target): boolean {
  return kind === 'at least' ? measured >= bound : measured <= bound;
}

export function atLeast(what: string, measured: number, bound: number, unit = '× floor'): Target {
  return { what, measured, bound, kind: 'at least', unit };
}

export function atMost(what: string, measured: number, bound: number, unit: string): Target {
  return { what, measured, bound, kind: 'at most', unit };
}
