import type autocannon from 'autocannon';
import type { ChildServer } from './child-server.js';
import type { Corpus } from './corpus.js';
import type { Result } from './result.js';
import type { Scale } from './scale.js';
import type { Stage } from './stage.js';
import type { BenchUser } from './users.js';

/** What every kind of work finds on the stage. */
export interface Scene {
  readonly stage: Stage;
  readonly scale: Scale;
  readonly corpus: Corpus;
  /** One for each connection, and then some. */
  readonly users: readonly BenchUser[];
  /** A process of the service with `ROLE=api`, on local storage. */
  readonly api: ChildServer;
  readonly floor: ChildServer;
  /** To be called after each round. */
  readonly onRound: () => void;
}

export interface Workload {
  readonly id: string;
  readonly title: string;
  /** Rounds that it takes, for the progress bar. */
  readonly rounds: (scale: Scale) => number;
  /** Whether a worker stands by. */
  readonly needsWorker?: boolean;
  /** Left out unless it is asked for by its id: it explains another one. */
  readonly onDemand?: boolean;
  readonly run: (scene: Scene) => Promise<Result>;
}

export function userAt(users: readonly BenchUser[], index: number): BenchUser {
  const user = users.at(index);
  if (user === undefined) {
    throw new Error(`There are only ${users.length} users`);
  }
  return user;
}

/** What everybody sends who is about to upload a photo. */
export function uploadRequest(user: BenchUser): autocannon.Request {
  return {
    method: 'POST',
    path: '/v1/media/uploads',
    headers: { ...headersOf(user), 'content-type': 'application/json' },
    body: UPLOAD_BODY,
  };
}

/** Bytes of that photo. */
export const PHOTO_BYTES = 100_000;

const UPLOAD_BODY = JSON.stringify({
  fileName: 'Photo from the beach.JPG',
  mimeType: 'image/jpeg',
  fileSize: PHOTO_BYTES,
});

/** The service reads the token, the floor takes the user's id for granted. */
export function headersOf(user: BenchUser): Record<string, string> {
  return { authorization: `Bearer ${user.token}`, 'x-user': user.id };
}
