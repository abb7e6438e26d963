/** A state as the witness words it, taken apart. */
export interface FileState {
  readonly status: string;
  readonly error: string | null;
  readonly deleted: boolean;
  readonly purged: boolean;
  readonly reserved: boolean;
  /** The upload window. */
  readonly closed: boolean;
}

const FLAGS: ReadonlySet<string> = new Set(['deleted', 'purged', 'reserved', 'closed']);

export function parseState(words: string): FileState {
  const [status = '', ...rest] = words.split(' ');
  return {
    status,
    error: rest.find((word) => !FLAGS.has(word)) ?? null,
    deleted: rest.includes('deleted'),
    purged: rest.includes('purged'),
    reserved: rest.includes('reserved'),
    closed: rest.includes('closed'),
  };
}

const ERRORS = [
  'type_mismatch',
  'truncated',
  'unreadable',
  'too_many_pixels',
  'too_many_frames',
  'processing_timeout',
  'size_mismatch',
];

/** A transition that may happen, and whether it needs the upload window open or closed. */
type Rule = readonly [before: string, after: string, window?: 'open' | 'closed'];

const EXPIRED = 'failed upload_expired';

/** Every transition there is; what is not in here must never happen. */
export const TRANSITIONS: readonly Rule[] = [
  ['', 'pending reserved', 'open'],
  ['pending reserved', 'processing', 'open'],
  ['pending reserved', `${EXPIRED} reserved`, 'closed'],
  ['pending reserved', 'pending deleted reserved'],
  ['pending deleted reserved', 'pending deleted purged reserved'],
  ['pending deleted reserved', 'pending deleted purged', 'closed'],
  ['pending deleted purged reserved', 'pending deleted purged', 'closed'],
  [`${EXPIRED} reserved`, `${EXPIRED} purged`, 'closed'],
  [`${EXPIRED} reserved`, `${EXPIRED} deleted reserved`],
  [`${EXPIRED} deleted reserved`, `${EXPIRED} deleted purged reserved`],
  [`${EXPIRED} deleted reserved`, `${EXPIRED} deleted purged`, 'closed'],
  [`${EXPIRED} deleted purged reserved`, `${EXPIRED} deleted purged`, 'closed'],
  [`${EXPIRED} purged`, `${EXPIRED} deleted purged`],
  ['processing', 'ready'],
  ['processing', 'processing deleted'],
  ['processing deleted', 'processing deleted purged'],
  ['ready', 'ready deleted'],
  ['ready deleted', 'ready deleted purged'],
  ...ERRORS.flatMap((error): Rule[] => [
    ['processing', `failed ${error}`],
    [`failed ${error}`, `failed ${error} purged`],
    [`failed ${error}`, `failed ${error} deleted`],
    [`failed ${error} deleted`, `failed ${error} deleted purged`],
    [`failed ${error} purged`, `failed ${error} deleted purged`],
  ]),
];

/** What is wrong with a step that a file has taken; null: it may. The window closes by itself, at any time. */
export function faultOf(before: string | null, after: string): string | null {
  const from = withoutWindow(before ?? '');
  const to = withoutWindow(after);
  if (from === to) {
    return null;
  }
  const rule = TRANSITIONS.find(([one, other]) => one === from && other === to);
  if (rule === undefined) {
    return `"${from}" never becomes "${to}"`;
  }
  const window = before?.endsWith('closed') ? 'closed' : 'open';
  return rule[2] === undefined || rule[2] === window ? null : `"${from}" became "${to}" while ${window}`;
}

export function withoutWindow(words: string): string {
  return words.replace(/ closed$/, '');
}

/** What may lie in the uploads area. */
export type Bytes = 'none' | 'right' | 'wrong' | 'unknown';

/** The documented answers to a call about a file in this state. */
export function answersTo(call: string, state: FileState, own: boolean, bytes: Bytes): string[] {
  if (call === 'put') {
    return [
      ...(bytes === 'none' || bytes === 'unknown' ? ['200'] : []),
      ...(bytes === 'none' ? [] : ['412 object_exists']),
    ];
  }
  if (state.deleted) {
    return ['404 not_found'];
  }
  if (!own) {
    return ['403 access_denied'];
  }
  switch (call) {
    case 'get':
      return [`200 ${state.status} ${state.error}`];
    case 'delete':
      return ['204'];
    default:
      return answersToConfirm(state, bytes);
  }
}

function answersToConfirm({ status, error, closed }: FileState, bytes: Bytes): string[] {
  if (error === 'upload_expired' || (status === 'pending' && closed)) {
    return ['410 upload_expired'];
  }
  if (status !== 'pending') {
    return [`409 invalid_status ${status}`];
  }
  const byBytes = { none: '409 file_not_found', wrong: '415 type_mismatch', right: '200 processing' };
  return bytes === 'unknown' ? Object.values(byBytes) : [byBytes[bytes]];
}
