import { Injectable } from '@nestjs/common';
import type { Answer } from '../idempotency/idempotency.service.js';
import type { DuplicateUploadDto, UploadTicketDto } from './dto/upload-ticket.dto.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import type { UploadRequestResult } from './uploads.service.js';

/** Says what became of a request for an upload URL; the same for one alone and for one in a batch. */
@Injectable()
export class UploadRequestPresenter {
  constructor(private readonly files: MediaFilePresenter) {}

  async present(result: UploadRequestResult): Promise<Answer<UploadTicketDto | DuplicateUploadDto>> {
    if ('duplicate' in result) {
      const mediaFile = await this.files.present(result.duplicate);
      return { status: 200, body: { duplicate: true, mediaFile }, final: true };
    }
    const { file, upload } = result;
    return {
      status: 201,
      body: {
        mediaFileId: file.id,
        storageKey: file.storageKey,
        uploadUrl: upload.url,
        uploadMethod: 'PUT',
        uploadHeaders: { ...upload.headers },
        expiresAt: file.uploadExpiresAt.toISOString(),
      },
      final: true,
    };
  }
}
