import { Body, Controller, HttpCode, Param, Post, Res, UploadedFile, UseInterceptors } from '@nestjs/common';
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
import { invalidField } from '../common/problem.js';
import { IdPipe } from '../common/validation.js';
import { DirectUploadLimitInterceptor } from './direct-upload-limit.interceptor.js';
import { DirectUploadService } from './direct-upload.service.js';
import { ConfirmUploadDto } from './dto/confirm-upload.dto.js';
import { MediaFileDto } from './dto/media-file.dto.js';
import { RequestUploadDto } from './dto/request-upload.dto.js';
import { DuplicateUploadDto, UploadTicketDto } from './dto/upload-ticket.dto.js';
import { ApiMediaFileId } from './media-file-id.decorator.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import { UploadsService } from './uploads.service.js';

@ApiTags('uploads')
@ApiBearerAuth()
@Controller('media')
export class UploadsController {
  constructor(
    private readonly uploads: UploadsService,
    private readonly directUploads: DirectUploadService,
    private readonly presenter: MediaFilePresenter,
  ) {}

  @Post('uploads')
  @ApiOperation({
    summary: 'Request a signed upload URL',
    description:
      'Reserves the bytes in the quota and signs a URL for exactly this file. PUT the bytes to `uploadUrl` with `uploadHeaders`, then confirm. With a `contentHash` that the user has live already, answers 200 with that file, and nothing needs to be uploaded.',
  })
  @ApiCreatedResponse({ type: UploadTicketDto, description: 'Put the bytes, then confirm.' })
  @ApiOkResponse({ type: DuplicateUploadDto, description: 'These bytes are there already.' })
  @ApiUserProblems('validation_failed', 'quota_exceeded', 'user_not_found', 'file_too_large', 'invalid_type')
  async request(
    @CurrentUser() userId: string,
    @Body() dto: RequestUploadDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadTicketDto | DuplicateUploadDto> {
    const result = await this.uploads.request(userId, dto);
    if ('duplicate' in result) {
      response.status(200);
      return { duplicate: true, mediaFile: await this.presenter.present(result.duplicate) };
    }
    const { file, upload } = result;
    return {
      mediaFileId: file.id,
      storageKey: file.storageKey,
      uploadUrl: upload.url,
      uploadMethod: 'PUT',
      uploadHeaders: { ...upload.headers },
      expiresAt: file.uploadExpiresAt.toISOString(),
    };
  }

  @Post(':mediaFileId/confirm')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Confirm that the bytes have been put',
    description:
      'Measures what has arrived (size, type) and starts the processing. Bytes that do not hold are deleted; put the right ones and confirm again while the URL is valid.',
  })
  @ApiMediaFileId()
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
      'For files up to 1 MiB, in one request. The name and `Content-Type` of the part `file` are the declared name and type. The same bytes again by the same user answer 200 with the file that is there.',
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
  @ApiCreatedResponse({ type: MediaFileDto, description: 'The new file, in `processing`.' })
  @ApiOkResponse({ type: MediaFileDto, description: 'The user has these bytes already: that file.' })
  @ApiUserProblems(
    'validation_failed',
    'quota_exceeded',
    'user_not_found',
    'file_too_large',
    'invalid_type',
    'type_mismatch',
    'storage_unavailable',
  )
  async upload(
    @CurrentUser() userId: string,
    @UploadedFile() file: Express.Multer.File | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<MediaFileDto> {
    if (file === undefined) {
      throw invalidField('file', 'must be sent as a part of a multipart/form-data body');
    }
    const result = await this.directUploads.upload(userId, {
      fileName: file.originalname,
      mimeType: file.mimetype,
      bytes: file.buffer,
    });
    response.status(result.created ? 201 : 200);
    return this.presenter.present(result.file);
  }
}
