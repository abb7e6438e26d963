import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { makeDataFolder } from './data-folder.js';
import { build } from './installation.js';
import { makeSeed, plantSeed } from './postgres-seed.js';
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** A PostgreSQL in which tests may create databases. */
    postgresUrl: string;
  }
}

/**
 * Compiled once, before several suites start processes of it. One real PostgreSQL for the whole run:
 * `TEST_DATABASE_URL`, or our own embedded one on a free port.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await build();
  const seed = await makeSeed();
  project.provide('postgresSeed', seed.dataDir);
  const given = process.env['TEST_DATABASE_URL'];
  if (given) {
    project.provide('postgresUrl', given);
    return seed.remove;
  }
  const dataDir = await makeDataFolder('test');
  await plantSeed(dataDir, seed.dataDir);
  const server = await EmbeddedPostgres.start({ dataDir });
  project.provide('postgresUrl', server.url);
  return async () => {
    await server.stop();
    await Promise.all([rm(dataDir, { recursive: true, force: true }), seed.remove()]);
  };
}
