import { Readable } from 'node:stream';
import type { RawEnvironment } from '../../src/config/parse-environment.js';
import { LocalObjectStorage } from '../../src/storage/local/local-object-storage.js';
import { ObjectStorage } from '../../src/storage/object-storage.js';
import { startGcs } from './gcs/start-gcs.js';
import { startTestApp, type TestApp } from './test-app.js';

export const DRIVERS = ['local', 'gcs'] as const;
export type DriverName = (typeof DRIVERS)[number];

/** A whole application on one of the storage drivers, and a way into its storage past everything that it checks. */
export interface DriverStage {
  readonly mediadock: TestApp;
  readonly storage: ObjectStorage;
  /** Every object that has bytes, as `<area>/<key>`. */
  objects(): Promise<string[]>;
  /** Leaves an object in the uploads area, as whoever has found a way around the signed URL would. */
  plant(key: string, bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

export async function startDriver(name: DriverName, environment: RawEnvironment = {}): Promise<DriverStage> {
  return name === 'gcs' ? startOnGcs(environment) : startOnDisk(environment);
}

async function startOnDisk(environment: RawEnvironment): Promise<DriverStage> {
  const mediadock = await startTestApp(environment);
  const files = mediadock.app.get(LocalObjectStorage, { strict: false });
  return {
    mediadock,
    storage: files,
    objects: () => mediadock.stack.objects(),
    plant: async (key, bytes) => {
      const terms = { contentType: 'image/jpeg', contentLength: bytes.length };
      await files.receiveUpload(key, Readable.from([bytes]), terms);
    },
    close: () => mediadock.close(),
  };
}

/** A Cloud Storage that checks every signature and precondition. */
async function startOnGcs(environment: RawEnvironment): Promise<DriverStage> {
  const gcs = await startGcs({
    access: environment['STORAGE_ACCESS'] === 'private' ? 'private' : 'public',
  });
  const mediadock = await startTestApp({ ...gcs.environment, ...environment });
  const { uploadBucket } = mediadock.config.storage;
  return {
    mediadock,
    storage: mediadock.app.get(ObjectStorage, { strict: false }),
    objects: async () => [
      ...gcs.objects('uploads').map((key) => `uploads/${key}`),
      ...gcs.objects('media').map((key) => `media/${key}`),
    ],
    plant: async (key, bytes) => {
      gcs.server.store.write(uploadBucket, key, bytes, { contentType: 'image/jpeg' }, null);
    },
    close: async () => {
      await mediadock.close();
      await gcs.close();
    },
  };
}
