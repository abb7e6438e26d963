import { v7 as uuidv7 } from 'uuid';
import { Metrics } from '../../src/common/metrics.js';
import { parseEnvironment } from '../../src/config/parse-environment.js';
import type { Database } from '../../src/database/database.js';
import type { Claim } from '../../src/idempotency/claim.js';
import { IdempotencyRepository } from '../../src/idempotency/idempotency.repository.js';
import { BatchUploadsRepository } from '../../src/media/batch-uploads.repository.js';
import type { NewMediaFile } from '../../src/media/media-file.row.js';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { SharedChangesRepository } from '../../src/media/shared-changes.repository.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { QuotaService } from '../../src/quota/quota.service.js';

function quotaOn(database: Database): QuotaService {
  return new QuotaService(database, new Metrics(), parseEnvironment({}));
}

export function filesOn(database: Database): MediaFilesRepository {
  return new MediaFilesRepository(database, quotaOn(database), new SharedChangesRepository(database));
}

export function batchesOn(database: Database): BatchUploadsRepository {
  return new BatchUploadsRepository(database, quotaOn(database));
}

export function reconcilerOn(database: Database): QuotaReconciler {
  return new QuotaReconciler(database, quotaOn(database));
}

export function keysOn(database: Database): IdempotencyRepository {
  return new IdempotencyRepository(database);
}

export function lifecycleOn(database: Database): MediaLifecycleRepository {
  return new MediaLifecycleRepository(database);
}

export function newFile(userId: string): NewMediaFile {
  const id = uuidv7();
  return {
    id,
    userId,
    originalFileName: 'photo.jpg',
    mimeType: 'image/jpeg',
    fileSize: 1_000,
    mediaType: 'image',
    storageKey: `users/${userId}/image/2026/11/${id}.jpg`,
    storageBucket: 'media',
    directHash: null,
    ttlSeconds: 900,
  };
}

export const ROUTE = 'POST /v1/media/uploads';

/** The claim on a key that nobody has used. */
export async function newClaim(database: Database, userId: string): Promise<Claim> {
  const slot = { userId, route: ROUTE, key: 'a new one' };
  const found = await keysOn(database).claim(slot, Buffer.alloc(32), uuidv7());
  if (found?.state !== 'claimed') {
    throw new Error('Nobody else has this key');
  }
  return found.claim;
}
