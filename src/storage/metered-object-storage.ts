import type { Readable } from 'node:stream';
import type { Metrics } from '../common/metrics.js';
import {
  type ObjectHead,
  type ObjectMetadata,
  ObjectStorage,
  type ObjectStat,
  type SignedUpload,
  type SignedUploadRequest,
  type StorageArea,
} from './object-storage.js';
import { ObjectNotFoundError, StorageUnavailableError } from './storage.errors.js';

/** Counts and times every call to the driver behind it; changes nothing else. */
export class MeteredObjectStorage extends ObjectStorage {
  constructor(
    private readonly driver: ObjectStorage,
    private readonly metrics: Metrics,
  ) {
    super();
  }

  bucketOf(area: StorageArea): string {
    return this.driver.bucketOf(area);
  }

  signUpload(request: SignedUploadRequest): Promise<SignedUpload> {
    return this.measure('signUpload', () => this.driver.signUpload(request));
  }

  stat(area: StorageArea, key: string): Promise<ObjectStat | null> {
    return this.measure('stat', () => this.driver.stat(area, key));
  }

  readHead(area: StorageArea, key: string, length: number): Promise<ObjectHead> {
    return this.measure('readHead', () => this.driver.readHead(area, key, length));
  }

  openRead(area: StorageArea, key: string): Promise<Readable> {
    return this.measure('openRead', () => this.driver.openRead(area, key));
  }

  promote(key: string, generation: string, metadata: ObjectMetadata): Promise<void> {
    return this.measure('promote', () => this.driver.promote(key, generation, metadata));
  }

  put(key: string, body: Buffer, metadata: ObjectMetadata): Promise<void> {
    return this.measure('put', () => this.driver.put(key, body, metadata));
  }

  delete(area: StorageArea, key: string, generation?: string): Promise<void> {
    return this.measure('delete', () => this.driver.delete(area, key, generation));
  }

  seal(key: string): Promise<void> {
    return this.measure('seal', () => this.driver.seal(key));
  }

  /** Not measured: with public access it is string concatenation, three times a listed file. */
  readUrl(key: string): Promise<string> {
    return this.driver.readUrl(key);
  }

  removeAbandoned(olderThan: Date): Promise<number> {
    return this.measure('removeAbandoned', () => this.driver.removeAbandoned(olderThan));
  }

  check(): Promise<void> {
    return this.measure('check', () => this.driver.check());
  }

  private async measure<Result>(verb: string, call: () => Promise<Result>): Promise<Result> {
    const stop = this.metrics.storageCalls.startTimer({ verb });
    try {
      const result = await call();
      stop({ outcome: 'ok' });
      return result;
    } catch (error) {
      stop({ outcome: outcomeOf(error) });
      throw error;
    }
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof ObjectNotFoundError) {
    return 'missing';
  }
  return error instanceof StorageUnavailableError ? 'unavailable' : 'error';
}
