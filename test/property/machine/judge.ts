import type { MediaFileDto } from '../../../src/media/dto/media-file.dto.js';
import type { Told, UserCall } from '../property-user.js';
import { answersTo, type Bytes, type FileState } from './rules.js';

/** What a run knows about a file. */
export interface KnownFile {
  readonly owner: number;
  /** All states that it was in since the last round began, the one at the beginning included. */
  states: FileState[];
  /** Made since then, so that there was a moment at which it was not there. */
  fresh: boolean;
  bytes: Bytes;
}

type Files = ReadonlyMap<string, KnownFile>;

/** @returns what is wrong with the answer to a call about a file, or null; it must fit to one of the file's states */
export function checkOfFile(
  call: string,
  { outcome }: Told,
  who: number,
  file: KnownFile,
  bytes: Bytes,
): string | null {
  const documented = file.states.flatMap((state) =>
    answersTo(call, state, file.owner === who, mayBeGone(state) ? 'unknown' : bytes),
  );
  return documented.includes(outcome)
    ? null
    : `${call} was answered with "${outcome}", not with one of: ${documented.join(', ')}`;
}

/** @returns what is wrong with the answer to a call that makes a file, or null */
export function checkNew(
  call: Exclude<UserCall, { id: string }>,
  { outcome, ids }: Told,
  who: number,
  files: Files,
): string | null {
  const expected = NEW[call.do];
  const words = outcome.split(', ');
  if (!words.every((word) => expected?.includes(word))) {
    return `${call.do} was answered with "${outcome}"`;
  }
  if (call.do === 'direct' && !call.right !== (outcome === '415 type_mismatch')) {
    return 'The type of a direct upload was not seen';
  }
  const own = ids.filter((id) => id !== null).map((id) => files.get(id));
  if (own.some((file) => file?.owner !== who)) {
    return 'An answer names a file of somebody else';
  }
  const mustHaveBeenLive = outcome.startsWith('200') || call.do === 'direct';
  return own.every((file) => !mustHaveBeenLive || file?.states.some(isLive))
    ? null
    : 'An answer names a file that was never there';
}

const NEW: Readonly<Record<string, readonly string[]>> = {
  request: ['201', '200 duplicate', '403 quota_exceeded'],
  requestMany: ['201', '403 quota_exceeded'],
  direct: ['201', '200', '403 quota_exceeded', '415 type_mismatch'],
  abandon: ['201', '403 quota_exceeded', 'in the way'],
};

/** @returns what is wrong with a list, or null: everything in it was so, and what was so all the time is in it */
export function checkList(
  items: readonly MediaFileDto[],
  who: number,
  status: string | null,
  files: Files,
): string | null {
  const shown = (state: FileState) =>
    !state.deleted && (status === null ? state.status !== 'failed' : state.status === status);
  const stranger = items.find((item) => {
    const file = files.get(item.id);
    return file?.owner !== who || !file.states.some((state) => shown(state) && state.status === item.status);
  });
  if (stranger !== undefined) {
    return `A list shows ${stranger.id}, which it should not, as ${stranger.status}`;
  }
  const listed = new Set(items.map(({ id }) => id));
  const missing = [...files].find(
    ([id, file]) => file.owner === who && !file.fresh && file.states.every(shown) && !listed.has(id),
  );
  return missing === undefined ? null : `A list does not show ${missing[0]}`;
}

function isLive({ status, deleted }: FileState): boolean {
  return !deleted && (status === 'processing' || status === 'ready');
}

/** Somebody in the background may be removing its bytes, or have done so. */
function mayBeGone({ status, deleted, closed }: FileState): boolean {
  return deleted || status === 'failed' || (status === 'pending' && closed);
}
