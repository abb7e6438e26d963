import { DONE, type Exchange, type Point, programOf, START, SWEEPING } from './programs.js';
import { type FileState, type Ledger, type State, sweeperSteps, workerSteps } from './state.js';

/** How an id begins that stands for one which nobody was told. */
const UNTOLD = 'untold';

/** A moment in one of the orders in which the calls can have run: where each of them is, and what has come of it. */
interface Moment {
  readonly at: readonly string[];
  readonly state: State;
}

/**
 * Looks for orders in which the atomic steps of calls that ran at once, with those of worker and sweeper between them,
 * end in just the answers that were given.
 *
 * @returns the states in which these orders end; none when no order explains the answers
 */
export function explain(befores: readonly State[], exchanges: readonly Exchange[], ledger: Ledger): State[] {
  const programs = exchanges.map((exchange, index) =>
    programOf(exchange, ledger, spareIdsFor(exchange, index, exchanges)),
  );
  const mayStop = (at: string, index: number) => at === DONE || exchanges[index]?.told === null;
  const nextOf = ({ at, state }: Moment): Moment[] => [
    ...programs.flatMap((program, index) => {
      const point = at[index] ?? DONE;
      const steps: Point[] = point === DONE ? [] : program({ at: point, state });
      return steps.map((step) => ({ at: at.with(index, step.at), state: step.state }));
    }),
    ...workerSteps(state).map((after) => ({ at, state: after })),
    ...(at.some((point) => point.startsWith(SWEEPING)) ? sweeperSteps(state) : []).map((after) => ({
      at,
      state: after,
    })),
  ];
  const starts = befores.map((state) => ({ at: exchanges.map(() => START), state }));
  const ends = reachable(starts, nextOf).filter(({ at }) => at.every(mayStop));
  return distinct(ends.map(({ state }) => state));
}

function spareIdsFor({ call }: Exchange, index: number, exchanges: readonly Exchange[]): string[] {
  const untold = (item: number) => `${UNTOLD}-${index}-${item}`;
  if (call.do === 'requestMany') {
    return call.pictures.map((_, item) => untold(item));
  }
  // Of identical direct uploads one makes the file, and all are told its id.
  const told = exchanges.flatMap((exchange) => exchange.told?.ids ?? []).filter((id) => id !== null);
  return [...(call.do === 'direct' ? told : []), untold(0)];
}

/** Those of the states that agree with the rows, with the ids that nobody was told put in. */
export function agreeing(states: readonly State[], rows: State): State[] {
  return distinct(states.map((state) => identified(state, rows)).filter((state) => state !== null));
}

function identified(state: State, rows: State): State | null {
  const unknown = Object.keys(rows).filter((id) => !(id in state));
  const named: Record<string, FileState> = {};
  for (const [id, file] of Object.entries(state)) {
    // Two files of which nobody was told, and that look the same, are the same to us.
    const looksLike = (other: string) => lookOf(file) === lookOf(rows[other]);
    const name = id.startsWith(UNTOLD) ? unknown.find((other) => looksLike(other) && !(other in named)) : id;
    if (name === undefined || !looksLike(name)) {
      return null;
    }
    named[name] = file;
  }
  return Object.keys(named).length === Object.keys(rows).length ? named : null;
}

function reachable(starts: readonly Moment[], nextOf: (moment: Moment) => Moment[]): Moment[] {
  const seen = new Map<string, Moment>();
  const open = [...starts];
  for (let moment = open.pop(); moment !== undefined; moment = open.pop()) {
    const key = `${moment.at.join('|')} ${textOf(moment.state)}`;
    if (!seen.has(key)) {
      seen.set(key, moment);
      open.push(...nextOf(moment));
    }
  }
  return [...seen.values()];
}

function distinct(states: readonly State[]): State[] {
  return [...new Map(states.map((state) => [textOf(state), state])).values()];
}

/** The same text for the same files, in whatever order they were put together. */
function textOf(state: State): string {
  return Object.keys(state)
    .toSorted()
    .map((id) => `${id} ${lookOf(state[id])} ${state[id]?.bytes}`)
    .join('\n');
}

/** All that a row tells. */
function lookOf(file: FileState | undefined): string {
  return file === undefined
    ? ''
    : [file.picture, file.direct, file.status, file.open, file.hashed, file.deleted, file.reserved].join();
}
