import { randomBytes, randomUUID } from 'node:crypto';
import { LocalObjectStorage } from '../../src/storage/local/local-object-storage.js';
import { originalKey } from '../../src/storage/object-key.js';

const USER = randomUUID();

/** Of a new file of one user, in one folder with the others. */
export function newKey(): string {
  const createdAt = new Date('2026-03-01T00:00:00Z');
  return originalKey({
    userId: USER,
    mediaType: 'image',
    createdAt,
    mediaFileId: randomUUID(),
    extension: 'jpg',
  });
}

/** Objects in a folder of the test's, as a process of its own would see them. */
export function storageIn(folder: string, hardLinks = true): LocalObjectStorage {
  return new LocalObjectStorage({
    rootDir: folder,
    bucket: 'media',
    uploadBucket: 'uploads',
    access: 'private',
    publicBaseUrl: 'http://127.0.0.1:3000/v1/storage/media',
    apiBaseUrl: 'http://127.0.0.1:3000',
    signingKey: randomBytes(32),
    readUrlTtlSeconds: 600,
    hardLinks,
  });
}
