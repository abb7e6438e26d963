import { MikroORM } from '@mikro-orm/postgresql';
import { AdvisoryLock, LOCKS } from './advisory-lock.js';
import { ormOptions, UNHURRIED } from './orm-options.js';

/**
 * Brings the schema up to date. Any number of replicas may call this at once: one of them works while the others
 * wait, and those then find nothing left to do.
 *
 * @param lockUrl must lead to the server itself: the lock belongs to a connection, which a pooler would share out
 * @returns names of the migrations that this call ran
 */
export async function migrate(orm: MikroORM, lockUrl: string): Promise<string[]> {
  const lock = new AdvisoryLock(lockUrl, LOCKS.migrations);
  await lock.acquire();
  try {
    const pending = await orm.migrator.getPending();
    return pending.length === 0 ? [] : await runUnhurried(lockUrl);
  } finally {
    await lock.release();
  }
}

/** On a connection of its own: an index of a large table takes longer than a request may wait for. */
async function runUnhurried(url: string): Promise<string[]> {
  const orm = await MikroORM.init({
    ...ormOptions(url, 1, UNHURRIED),
    discovery: { warnWhenNoEntities: false },
  });
  try {
    const done = await orm.migrator.up();
    return done.map(({ name }) => name);
  } finally {
    await orm.close(true);
  }
}
