import type { Told, UserCall } from '../property-user.js';
import {
  changed,
  type FileState,
  fits,
  isDiscarded,
  isLive,
  type Ledger,
  newFile,
  overdue,
  type State,
  twinOf,
  withHashOf,
} from './state.js';

/** What is to be explained: a call, or the end and new start of the application. */
export type AimedCall = UserCall | { readonly do: 'restart' };

/** A call together with its answer; null for an answer that was lost on its way, or never given. */
export interface Exchange {
  readonly call: AimedCall;
  readonly told: Told | null;
}

/** A point that a call has reached. `done`: it has been answered. */
export interface Point {
  readonly at: string;
  readonly state: State;
}

/** The points that a call can reach next with one atomic step, if it is to end in the answer that was given. */
export type Program = (point: Point) => Point[];

export const START = 'start';
export const DONE = 'done';
/** How the point begins at which a sweep is under way. */
export const SWEEPING = 'sweeping';

/**
 * What the service promises to do for a call, as atomic steps.
 *
 * @param spareIds ids for a file that was made for somebody who never learned its id
 */
export function programOf({ call, told }: Exchange, ledger: Ledger, spareIds: readonly string[]): Program {
  const says = (outcome: string, ids: readonly string[] = []): boolean =>
    told === null || (told.outcome === outcome && ids.every((id, index) => told.ids[index] === id));
  const end = (state: State, outcome: string, ...ids: string[]): Point[] =>
    says(outcome, ids) ? [{ at: DONE, state }] : [];
  const idsFor = (state: State): string[] =>
    (told === null ? [...spareIds] : told.ids.filter((id) => id !== null)).filter((id) => !(id in state));

  switch (call.do) {
    case 'request':
      return ({ at, state }) => {
        const known = call.withHash && at === START ? withHashOf(state, call.picture) : [];
        if (known.length > 0) {
          return known.flatMap((id) => end(state, '200 duplicate', id));
        }
        if (at === START) {
          return [{ at: 'reserve', state }];
        }
        return fits(state, call.picture, ledger)
          ? idsFor(state).flatMap((id) => end({ ...state, [id]: newFile(call.picture, false) }, '201', id))
          : end(state, '403 quota_exceeded');
      };
    case 'requestMany':
      return ({ state }) => {
        let after = state;
        const outcomes = call.pictures.map((picture, index) => {
          if (!fits(after, picture, ledger)) {
            return '403 quota_exceeded';
          }
          const id = told === null ? spareIds[index] : told.ids[index];
          after = { ...after, [id ?? `item ${index}`]: newFile(picture, false) };
          return '201';
        });
        return end(after, outcomes.join(', '));
      };
    case 'put':
      return ({ state }) => {
        const file = state[call.id];
        const stored = changed(state, call.id, { bytes: call.right ? 'right' : 'wrong' });
        if (file === undefined || isDiscarded(file)) {
          return [...end(state, '200'), ...end(state, '412 object_exists')];
        }
        return [
          ...(file.bytes === 'none' || file.bytes === 'any' ? end(stored, '200') : []),
          ...(file.bytes === 'none' ? [] : end(state, '412 object_exists')),
        ];
      };
    case 'confirm':
      return ({ at, state }) => confirmSteps(call.id, at, state, end);
    case 'direct':
      return ({ at, state }) => directSteps(call, { at, state }, ledger, end, idsFor);
    case 'abandon':
      return ({ state }) => {
        if (!fits(state, call.picture, ledger)) {
          return end(state, '403 quota_exceeded');
        }
        return twinOf(state, call.picture) === null
          ? idsFor(state).flatMap((id) => end({ ...state, [id]: newFile(call.picture, true) }, '201', id))
          : end(state, 'in the way');
      };
    case 'delete':
      return ({ state }) =>
        state[call.id]?.deleted === false
          ? end(changed(state, call.id, { deleted: true, bytes: 'any' }), '204')
          : end(state, '404 not_found');
    case 'expire':
      return ({ state }) => end(changed(state, call.id, { open: false }), 'closed');
    case 'sweep':
    case 'restart':
      return ({ at, state }) => {
        if (at === START) {
          return [{ at: [SWEEPING, ...overdue(state)].join(' '), state }];
        }
        const due = at.split(' ').slice(1);
        return due.some((id) => state[id]?.reserved) ? [] : end(state, call.do);
      };
  }
}

type End = (state: State, outcome: string, ...ids: string[]) => Point[];

function confirmSteps(id: string, at: string, state: State, end: End): Point[] {
  const file = state[id];
  if (file === undefined) {
    return [];
  }
  const refusal = refusalOf(file);
  switch (at) {
    case START:
      return refusal === null ? [{ at: 'look', state }] : end(state, refusal);
    case 'look':
      return [
        ...(file.bytes === 'none' || file.bytes === 'any' ? end(state, '409 file_not_found') : []),
        ...(file.bytes === 'wrong' || file.bytes === 'any' ? [{ at: 'discard', state }] : []),
        ...(file.bytes === 'right' || file.bytes === 'any' ? [{ at: 'settle', state }] : []),
      ];
    case 'discard':
      return end(file.bytes === 'wrong' ? changed(state, id, { bytes: 'none' }) : state, '415 type_mismatch');
    case 'settle':
      return refusal === null
        ? end(changed(state, id, { status: 'processing', reserved: false }), '200 processing', id)
        : [{ at: 'explain', state }];
    default:
      return refusal === null ? end(state, '410 upload_expired') : end(state, refusal);
  }
}

/** Why a file cannot be confirmed, whatever its bytes are like. */
function refusalOf(file: FileState): string | null {
  if (file.deleted) {
    return '404 not_found';
  }
  if (file.status === 'pending') {
    return file.open ? null : '410 upload_expired';
  }
  return file.status === 'expired' ? '410 upload_expired' : `409 invalid_status ${file.status}`;
}

function directSteps(
  { picture, right }: { readonly picture: number; readonly right: boolean },
  { at, state }: Point,
  ledger: Ledger,
  end: End,
  idsFor: (state: State) => string[],
): Point[] {
  const twin = twinOf(state, picture);
  const [point, id = ''] = at.split(' ');
  const file = state[id];
  const canBeFilled = file?.status === 'pending' && !file.deleted && file.open;
  switch (point) {
    case START: {
      if (!right) {
        return end(state, '415 type_mismatch');
      }
      const known = withHashOf(state, picture);
      return known.length > 0
        ? known.flatMap((other) => end(state, '200', other))
        : [{ at: 'insert', state }];
    }
    case 'insert':
      if (!fits(state, picture, ledger)) {
        return [{ at: 'no-room', state }];
      }
      return twin === null
        ? idsFor(state).map((own) => ({
            at: `fill ${own}`,
            state: { ...state, [own]: newFile(picture, true) },
          }))
        : [{ at: 'in-the-way', state }];
    case 'no-room':
      return twin === null ? end(state, '403 quota_exceeded') : joinTwin(state, twin, end);
    case 'in-the-way':
      return twin === null ? [{ at: 'insert', state }] : joinTwin(state, twin, end);
    case 'extend':
      return [{ at: `${canBeFilled ? 'fill' : 'lost'} ${id}`, state }];
    case 'fill':
      return canBeFilled
        ? end(changed(state, id, { status: 'processing', reserved: false, hashed: true }), '201', id)
        : [{ at: `lost ${id}`, state }];
    case 'lost':
      return file !== undefined && isLive(file) ? end(state, '200', id) : [{ at: `clear ${id}`, state }];
    default: {
      const inTheWay = file?.status === 'pending' && !file.deleted && !file.open;
      return [
        { at: 'insert', state: inTheWay ? changed(state, id, { status: 'expired', bytes: 'any' }) : state },
      ];
    }
  }
}

function joinTwin(state: State, twin: string, end: End): Point[] {
  return state[twin]?.status === 'pending' ? [{ at: `extend ${twin}`, state }] : end(state, '200', twin);
}
