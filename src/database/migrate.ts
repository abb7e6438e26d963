import { MikroORM } from '@mikro-orm/postgresql';
import { Client } from 'pg';

/** Any number will do as long as nobody else uses it in this database; spells "media". */
const MIGRATION_LOCK = 0x6d65646961;

/**
 * Brings the schema up to date. Any number of replicas may call this at once: a session-level advisory lock lets
 * one of them work while the others wait, and those then find nothing left to do.
 *
 * @returns names of the migrations that this call ran
 */
export async function migrate(orm: MikroORM, url: string): Promise<string[]> {
  const holder = new Client({ connectionString: url, application_name: 'mediadock-migrations' });
  await holder.connect();
  try {
    await holder.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const done = await orm.migrator.up();
    return done.map(({ name }) => name);
  } finally {
    await holder.end();
  }
}
