import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { inParallel } from '../src/common/in-parallel.js';
import { SETTLED_CHANNEL } from '../src/media/settled-notification.js';
import { MediaClient } from './media-client.js';
import { type Scene, userAt } from './workload.js';

/** Confirmations under way at once, as many as there are connections in most of the other workloads. */
const CONFIRMS_AT_ONCE = 16;
/** What comes of the uploads (garbage to collect, files to write back) has this long to be done with. */
const PAUSE_MS = 300;

/** @returns milliseconds from the first confirm until the last file is ready */
export async function confirmAll(scene: Scene, photos: readonly Buffer[]): Promise<number> {
  const client = clientOf(scene);
  const ids = await client.putAll(photos);
  await sleep(PAUSE_MS);
  const allSettled = untilSettled(scene.stage.client, new Set(ids));
  const started = performance.now();
  await inParallel(CONFIRMS_AT_ONCE, ids, (id) => client.confirm(id));
  const milliseconds = (await allSettled) - started;
  const { rowCount } = await scene.stage.client.query(
    `select from media_files where id = any($1::uuid[]) and status = 'ready'`,
    [ids],
  );
  if (rowCount !== ids.length) {
    throw new Error('An image of the bench could not be processed');
  }
  return milliseconds;
}

export function clientOf({ api, users }: Scene): MediaClient {
  return new MediaClient(api.origin, userAt(users, 0).token);
}

/** Resolves with the moment when the last of them has settled. Told by PostgreSQL, since asking costs what is measured. */
async function untilSettled(database: Client, ids: Set<string>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const strike = ({ payload = '' }: { payload?: string | undefined }): void => {
    ids.delete(payload);
    if (ids.size === 0) {
      resolve(performance.now());
    }
  };
  database.on('notification', strike);
  await database.query(`listen ${SETTLED_CHANNEL}`);
  try {
    return await promise;
  } finally {
    database.off('notification', strike);
    await database.query(`unlisten ${SETTLED_CHANNEL}`);
  }
}
