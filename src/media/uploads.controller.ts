import { Body, Controller, HttpCode, Param, Post, Res, UseInterceptors } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiUserProblems } from '../common/openapi.js';
import { CurrentUser } from '../common/principal.js';
import { IdPipe } from '../common/validation.js';
import { ApiIdempotencyKey, IdempotencyKey } from '../idempotency/idempotency-key.decorator.js';
import { type Answer, IdempotencyService } from '../idempotency/idempotency.service.js';
import { prepareReply, REPLAYED_HEADER } from '../idempotency/reply.js';
import { DirectUploadLimitInterceptor } from './direct-upload-limit.interceptor.js';
import {
  DirectUpload,
  DirectUploadService,
  type DirectUploadResult,
  directContentOf,
} from './direct-upload.service.js';
import { ConfirmUploadDto } from './dto/confirm-upload.dto.js';
import { MediaFileDto } from './dto/media-file.dto.js';
import { contentOf, RequestUploadDto } from './dto/request-upload.dto.js';
import { DuplicateUploadDto, UploadTicketDto } from './dto/upload-ticket.dto.js';
import { ApiMediaFileId } from './media-file-id.decorator.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import { UploadRequestPresenter } from './upload-request.presenter.js';
import { UploadedPart } from './uploaded-part.decorator.js';
import { UploadsService } from './uploads.service.js';

@ApiTags('uploads')
@ApiBearerAuth()
@Controller('media')
export class UploadsController {
  constructor(
    private readonly uploads: UploadsService,
    private readonly directUploads: DirectUploadService,
    private readonly presenter: MediaFilePresenter,
    private readonly requests: UploadRequestPresenter,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post('uploads')
  @ApiOperation({
    summary: 'Request a signed upload URL',
    description:
      'Reserves the bytes in the quota and signs a URL for exactly this file. PUT the bytes to `uploadUrl` with `uploadHeaders`, then confirm. With a `contentHash` that the user has live already, answers 200 with that file, and nothing needs to be uploaded.',
  })
  @ApiIdempotencyKey()
  @ApiCreatedResponse({
    type: UploadTicketDto,
    description: 'Put the bytes, then confirm.',
    headers: REPLAYED_HEADER,
  })
  @ApiOkResponse({
    type: DuplicateUploadDto,
    description: 'These bytes are there already.',
    headers: REPLAYED_HEADER,
  })
  @ApiUserProblems(
    'validation_failed',
    'quota_exceeded',
    'user_not_found',
    'idempotency_in_flight',
    'file_too_large',
    'invalid_type',
    'idempotency_conflict',
    'storage_unavailable',
  )
  async request(
    @CurrentUser() userId: string,
    @IdempotencyKey() key: string | null,
    @Body() dto: RequestUploadDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadTicketDto | DuplicateUploadDto | string> {
    const reply = await this.idempotency.run(
      { userId, route: 'POST /v1/media/uploads', key, body: () => contentOf(dto) },
      {
        start: async (claim) => this.requests.present(await this.uploads.request(userId, dto, claim)),
        resume: async ([id]) => {
          const result = id ? await this.uploads.resume(id) : null;
          return result && this.requests.present(result);
        },
      },
    );
    return prepareReply(response, reply);
  }

  @Post(':mediaFileId/confirm')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Confirm that the bytes have been put',
    description:
      'Measures what has arrived (size, type) and starts the processing. Bytes that do not hold are deleted; put the right ones and confirm again while the URL is valid. After a 503, confirm again, too: `invalid_status` with `currentStatus` `processing` or `ready` then says that the first one had done it.',
  })
  @ApiMediaFileId()
  @ApiBody({ type: ConfirmUploadDto, required: false })
  @ApiOkResponse({ type: MediaFileDto, description: 'The file, in `processing`.' })
  @ApiUserProblems(
    'validation_failed',
    'access_denied',
    'user_not_found',
    'not_found',
    'invalid_status',
    'file_not_found',
    'size_mismatch',
    'upload_expired',
    'type_mismatch',
    'storage_unavailable',
  )
  async confirm(
    @CurrentUser() userId: string,
    @Param('mediaFileId', IdPipe) id: string,
    @Body() _dto: ConfirmUploadDto,
  ): Promise<MediaFileDto> {
    return this.presenter.present(await this.uploads.confirm(id, userId));
  }

  @Post()
  @UseInterceptors(DirectUploadLimitInterceptor, FileInterceptor('file'))
  @ApiOperation({
    summary: 'Upload a small file directly',
    description:
      'For files up to `DIRECT_UPLOAD_MAX_BYTES` (1 MiB unless the operator says otherwise), in one request. The name and `Content-Type` of the part `file` are the declared name and type. The same bytes again by the same user answer 200 with the file that is there.',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({
    schema: {
      type: 'object',
      required: ['file'],
      properties: {
        file: { type: 'string', format: 'binary', description: 'The file, with its name and type.' },
      },
    },
  })
  @ApiIdempotencyKey()
  @ApiCreatedResponse({
    type: MediaFileDto,
    description: 'The new file, in `processing`.',
    headers: REPLAYED_HEADER,
  })
  @ApiOkResponse({
    type: MediaFileDto,
    description: 'The user has these bytes already: that file.',
    headers: REPLAYED_HEADER,
  })
  @ApiUserProblems(
    'validation_failed',
    'quota_exceeded',
    'user_not_found',
    'idempotency_in_flight',
    'file_too_large',
    'invalid_type',
    'type_mismatch',
    'idempotency_conflict',
    'storage_unavailable',
  )
  async upload(
    @CurrentUser() userId: string,
    @IdempotencyKey() key: string | null,
    @UploadedPart() upload: DirectUpload,
    @Res({ passthrough: true }) response: Response,
  ): Promise<MediaFileDto | string> {
    try {
      const reply = await this.idempotency.run(
        { userId, route: 'POST /v1/media', key, body: () => directContentOf(upload) },
        {
          start: async (claim) => this.presentDirect(await this.directUploads.upload(userId, upload, claim)),
          resume: async ([id]) => {
            const result = id ? await this.directUploads.resume(id, upload) : null;
            return result && this.presentDirect(result);
          },
        },
      );
      return prepareReply(response, reply);
    } finally {
      upload.letGo();
    }
  }

  private async presentDirect({ file, created }: DirectUploadResult): Promise<Answer<MediaFileDto>> {
    return { status: created ? 201 : 200, body: await this.presenter.present(file), final: true };
  }
}
