import { Injectable } from '@nestjs/common';
import type { MediaFile } from '../media/media-file.entity.js';
import { derivativeKey } from '../storage/object-key.js';
import { ObjectStorage } from '../storage/object-storage.js';

/** Knows every place where a file can have bytes. All deletes are idempotent. */
@Injectable()
export class ObjectRemover {
  constructor(private readonly storage: ObjectStorage) {}

  /** The upload, the original and what was made of it. */
  async removeAll(file: MediaFile): Promise<void> {
    await Promise.all([
      this.removeUpload(file),
      this.storage.delete('media', file.storageKey),
      this.storage.delete('media', derivativeKey(file.storageKey, 'thumbnail')),
      this.storage.delete('media', derivativeKey(file.storageKey, 'medium')),
    ]);
  }

  async removeUpload(file: MediaFile): Promise<void> {
    await this.storage.delete('uploads', file.storageKey);
  }
}
