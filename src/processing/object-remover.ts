import { Injectable } from '@nestjs/common';
import type { MediaFile } from '../media/media-file.entity.js';
import { derivativeKey } from '../storage/object-key.js';
import { ObjectStorage } from '../storage/object-storage.js';

/** Knows every place where a file can have bytes. All removals are idempotent. */
@Injectable()
export class ObjectRemover {
  constructor(private readonly storage: ObjectStorage) {}

  /** The upload, the original and what was made of it. */
  async removeAll(file: MediaFile): Promise<void> {
    await Promise.all([this.removeUpload(file), this.removeMedia(file)]);
  }

  /** The same, and the place of the upload is kept where somebody could fill it again at nobody's expense. */
  async removeAndSeal(file: MediaFile): Promise<void> {
    const upload = canBePutUncharged(file) ? this.storage.seal(file.storageKey) : this.removeUpload(file);
    await Promise.all([upload, this.removeMedia(file)]);
  }

  async removeUpload(file: MediaFile): Promise<void> {
    await this.storage.delete('uploads', file.storageKey);
  }

  private async removeMedia(file: MediaFile): Promise<void> {
    await Promise.all([
      this.storage.delete('media', file.storageKey),
      this.storage.delete('media', derivativeKey(file.storageKey, 'thumbnail')),
      this.storage.delete('media', derivativeKey(file.storageKey, 'medium')),
    ]);
  }
}

/**
 * Whether the signed URL lives, or a PUT that began in its time, while no reservation stands for what would come. For what
 * was uploaded directly there never was a URL.
 */
function canBePutUncharged({ directHash, reservationOpen, leftoversDueAt }: MediaFile): boolean {
  return directHash === null && !reservationOpen && leftoversDueAt !== null && leftoversDueAt > new Date();
}
