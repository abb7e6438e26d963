import { Injectable } from '@nestjs/common';
import { derivativeKey } from '../storage/object-key.js';
import { ObjectStorage } from '../storage/object-storage.js';
import { MediaFileDto, type MediaUrls } from './dto/media-file.dto.js';
import type { MediaFile } from './media-file.entity.js';

const NO_URLS: MediaUrls = { publicUrl: null, thumbnailUrl: null, mediumUrl: null };

/** Shows a file to its owner. URLs are made here, when asked: stored ones would outlive a change of host or access. */
@Injectable()
export class MediaFilePresenter {
  constructor(private readonly storage: ObjectStorage) {}

  async present(file: MediaFile): Promise<MediaFileDto> {
    return new MediaFileDto(file, await this.urlsOf(file));
  }

  private async urlsOf(file: MediaFile): Promise<MediaUrls> {
    if (!file.isLive) {
      return NO_URLS;
    }
    if (file.status !== 'ready') {
      return { ...NO_URLS, publicUrl: await this.storage.readUrl(file.storageKey) };
    }
    const [publicUrl, thumbnailUrl, mediumUrl] = await Promise.all([
      this.storage.readUrl(file.storageKey),
      this.storage.readUrl(derivativeKey(file.storageKey, 'thumbnail')),
      this.storage.readUrl(derivativeKey(file.storageKey, 'medium')),
    ]);
    return { publicUrl, thumbnailUrl, mediumUrl };
  }
}
