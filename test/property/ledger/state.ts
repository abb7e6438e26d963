import { FAULTS } from '../pictures.js';

/** What the model knows about a file. */
export interface FileState {
  readonly picture: number;
  /** Through the API, so that the hash is known from the start. */
  readonly direct: boolean;
  readonly status: 'pending' | 'processing' | 'ready' | 'failed' | 'expired';
  /** In the uploads area; `any` once somebody in the background may remove them. */
  readonly bytes: 'none' | 'right' | 'wrong' | 'any';
  /** The upload window. */
  readonly open: boolean;
  /** Whether the content hash is there to be found. */
  readonly hashed: boolean;
  readonly deleted: boolean;
  readonly reserved: boolean;
}

/** All files of a user, by id. */
export type State = Readonly<Record<string, FileState>>;

export interface Ledger {
  readonly sizes: readonly number[];
  readonly limit: number;
}

export function newFile(picture: number, direct: boolean): FileState {
  return {
    picture,
    direct,
    status: 'pending',
    bytes: 'none',
    open: true,
    hashed: false,
    deleted: false,
    reserved: true,
  };
}

export function changed(state: State, id: string, change: Partial<FileState>): State {
  const file = state[id];
  return file === undefined ? state : { ...state, [id]: { ...file, ...change } };
}

export function isLive(file: FileState): boolean {
  return !file.deleted && (file.status === 'processing' || file.status === 'ready');
}

export function isDiscarded(file: FileState): boolean {
  return file.deleted || file.status === 'failed' || file.status === 'expired';
}

export function fits(state: State, picture: number, { sizes, limit }: Ledger): boolean {
  const counted = Object.values(state).filter((file) => file.reserved || isLive(file));
  const taken = counted.reduce((sum, file) => sum + (sizes[file.picture] ?? 0), 0);
  return taken + (sizes[picture] ?? 0) <= limit;
}

/** Files that have that picture and can be found by its hash. */
export function withHashOf(state: State, picture: number): string[] {
  return idsOf(state, (file) => file.picture === picture && file.hashed && isLive(file));
}

/** The direct upload of that picture that is under way or done. */
export function twinOf(state: State, picture: number): string | null {
  const [id] = idsOf(
    state,
    (file) =>
      file.picture === picture && file.direct && (file.status === 'pending' || isLive(file)) && !file.deleted,
  );
  return id ?? null;
}

/** Uploads that the next sweep ends. */
export function overdue(state: State): string[] {
  return idsOf(state, (file) => file.reserved && !file.open);
}

/** What the worker may do next. */
export function workerSteps(state: State): State[] {
  return idsOf(state, (file) => file.status === 'processing' && !file.deleted).map((id) =>
    FAULTS[state[id]?.picture ?? 0] === null
      ? changed(state, id, { status: 'ready', hashed: true })
      : changed(state, id, { status: 'failed', bytes: 'any' }),
  );
}

/** What a sweep may do next: first nobody can confirm it any more, then its bytes go, then its reservation. */
export function sweeperSteps(state: State): State[] {
  return overdue(state).map((id) => {
    const file = state[id];
    return file !== undefined && isDiscarded(file)
      ? changed(state, id, { reserved: false, bytes: 'any' })
      : changed(state, id, { status: 'expired', bytes: 'any' });
  });
}

function idsOf(state: State, condition: (file: FileState) => boolean): string[] {
  return Object.entries(state).flatMap(([id, file]) => (condition(file) ? [id] : []));
}
