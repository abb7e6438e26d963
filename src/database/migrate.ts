import type { MikroORM } from '@mikro-orm/postgresql';
import { AdvisoryLock, LOCKS } from './advisory-lock.js';

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
    const done = await orm.migrator.up();
    return done.map(({ name }) => name);
  } finally {
    await lock.release();
  }
}
