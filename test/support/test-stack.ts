import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { RawEnvironment } from '../../src/config/parse-environment.js';
import { startGcs } from './gcs/start-gcs.js';
import { filesBelow } from './files-below.js';
import { startRedis } from './redis.js';

export type StackName = 'embedded' | 'production';

declare module 'vitest' {
  interface ProvidedContext {
    /** The parts on which the applications of this run stand. */
    stack: StackName;
  }
}

/** The queue and the storage of one application, and ways to look into them and to make them fail. */
export interface TestStack {
  readonly environment: RawEnvironment;
  /** Every object that has bytes, as `<area>/<key>`. */
  objects(): Promise<string[]>;
  storageDown(): Promise<void>;
  storageUp(): Promise<void>;
  close(): Promise<void>;
}

/** @param environment what the application is told by its test, as far as the stack has to know */
export async function startTestStack(dataDir: string, environment: RawEnvironment): Promise<TestStack> {
  return inject('stack') === 'production' ? productionStack(environment) : embeddedStack(dataDir);
}

/** The in-process queue, and files below the data folder. */
function embeddedStack(dataDir: string): TestStack {
  const areas = ['uploads', 'media'].map((area) => join(dataDir, 'objects', area));
  return {
    environment: {},
    // Beside every object lies a file that says how it is served.
    objects: async () =>
      (await filesBelow(join(dataDir, 'objects'))).filter((path) => !path.endsWith('.json')),
    storageDown: async () => {
      for (const area of areas) {
        await mkdir(area, { recursive: true });
        await rename(area, `${area}.away`);
        await inPlaceOf(area, () => writeFile(area, 'not a folder'));
      }
    },
    storageUp: async () => {
      for (const area of areas) {
        await inPlaceOf(area, () => rename(`${area}.away`, area));
      }
    },
    close: async () => {},
  };
}

/** Until it succeeds: a job that is at work may make the folder anew at any moment. */
async function inPlaceOf(area: string, change: () => Promise<void>): Promise<void> {
  for (let round = 1; ; round += 1) {
    await rm(area, { recursive: true, force: true });
    try {
      return await change();
    } catch (error) {
      if (round === 20) {
        throw error;
      }
    }
  }
}

/** A real Redis, and a Cloud Storage that checks every signature and precondition. */
async function productionStack(environment: RawEnvironment): Promise<TestStack> {
  const [redis, gcs] = await Promise.all([
    startRedis(),
    startGcs({
      access: environment['STORAGE_ACCESS'] === 'private' ? 'private' : 'public',
      corsOrigins: environment['CORS_ORIGINS']?.split(',') ?? [],
    }),
  ]);
  return {
    environment: { ...gcs.environment, REDIS_URL: redis.url },
    objects: async () => [
      ...gcs.objects('uploads').map((key) => `uploads/${key}`),
      ...gcs.objects('media').map((key) => `media/${key}`),
    ],
    storageDown: () => gcs.down(),
    storageUp: () => gcs.up(),
    close: async () => {
      await gcs.close();
      await redis.close();
    },
  };
}
