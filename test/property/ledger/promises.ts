import { expect } from 'vitest';
import { derivativeKey } from '../../../src/storage/object-key.js';
import { sha256 } from '../../support/api-client.js';
import { soon, type Stage } from '../stage.js';
import { bytesOf, expectBalanced, type Snapshot, snapshotOf } from './snapshot.js';
import type { PropertyUser } from '../property-user.js';

/** Whatever was accepted, and neither deleted nor expired, is there in full; whatever was refused left nothing. */
export async function expectPromisesKept(stage: Stage, user: PropertyUser): Promise<void> {
  const { rows, used, reserved } = await whenAllTimeHasPassed(stage, user);
  const ready = rows.filter((row) => !row.deleted && row.status === 'ready');
  expect({ used, reserved }).toEqual({ used: bytesOf(ready), reserved: 0 });
  expect(await user.client.quota()).toMatchObject({ usedBytes: used, reservedBytes: 0 });
  const objects = ready.flatMap(({ storage_key: key }) =>
    [key, derivativeKey(key, 'thumbnail'), derivativeKey(key, 'medium')].map((each) => `media/${each}`),
  );
  expect(await objectsOf(stage, user)).toEqual(objects.toSorted());
  for (const { id, file_size: size } of ready) {
    const { body } = await user.client.get(id);
    const served = await fetch(String(body.publicUrl));
    const hash = sha256(Buffer.from(await served.arrayBuffer()));
    expect([served.status, hash, String(body.fileSize)]).toEqual([200, body.contentHash, size]);
  }
}

export async function expectNothingLeftBehind(stage: Stage, user: PropertyUser): Promise<void> {
  const { rows } = await snapshotOf(stage.mediadock.database, user.userId);
  for (const { id } of rows.filter(({ deleted }) => !deleted)) {
    expect((await user.client.delete(id)).status).toBe(204);
  }
  expect(await whenAllTimeHasPassed(stage, user)).toMatchObject({ used: 0, reserved: 0 });
  expect(await objectsOf(stage, user)).toEqual([]);
}

/** Lets all time pass that anybody waits for: upload windows, the worker, the grace for late writers. */
async function whenAllTimeHasPassed(stage: Stage, { userId }: PropertyUser): Promise<Snapshot> {
  const { database } = stage.mediadock;
  await database.query(
    "update media_files set upload_expires_at = now() - interval '1 second' where user_id = $1 and upload_expires_at > now()",
    [userId],
  );
  await stage.sweep();
  await soon(async () => {
    const { rows } = await snapshotOf(database, userId);
    return rows.every((row) => (row.deleted || row.status === 'failed' ? row.purged : row.status === 'ready'))
      ? true
      : null;
  }, 'every file to be ready or purged');
  await stage.idle();
  await database.query(
    'update media_files set leftovers_due_at = now() where user_id = $1 and leftovers_due_at is not null',
    [userId],
  );
  await stage.sweep();
  const snapshot = await snapshotOf(database, userId);
  expectBalanced(snapshot);
  return snapshot;
}

async function objectsOf({ mediadock }: Stage, { userId }: PropertyUser): Promise<string[]> {
  const all = await mediadock.stack.objects();
  return all.filter((path) => path.includes(userId)).toSorted();
}
