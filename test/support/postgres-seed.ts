import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { makeDataFolder } from './data-folder.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** A data folder with a PostgreSQL that has been made and never used. */
    postgresSeed: string;
  }
}

/** What PostgreSQL's files are kept in, below a data folder. */
const AREA = 'postgres';

/** Makes the seed: a data folder of which each test that does not care how a database comes about gets a copy. */
export async function makeSeed(): Promise<{ dataDir: string; remove: () => Promise<void> }> {
  const dataDir = await makeDataFolder('seed');
  const server = await EmbeddedPostgres.start({ dataDir });
  await server.stop();
  return { dataDir, remove: () => rm(dataDir, { recursive: true, force: true }) };
}

/** Spares a data folder that has no database yet its `initdb`, which takes ten times as long as a copy of what it makes. */
export async function plantSeed(dataDir: string, seed = inject('postgresSeed')): Promise<void> {
  // Where the server's user cannot get into the system's folder for temporary files, the seed lies elsewhere.
  if (existsSync(join(seed, AREA)) && !existsSync(join(dataDir, AREA))) {
    // Nothing in Node copies a folder with its owners.
    await promisify(execFile)('cp', ['-a', join(seed, AREA), join(dataDir, AREA)]);
  }
}
