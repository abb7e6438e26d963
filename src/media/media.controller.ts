import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { ApiProblems } from '../common/openapi.js';
import { CurrentUser, CurrentUserIfKnown } from '../common/principal.js';
import { IdPipe } from '../common/validation.js';
import { ListMediaDto } from './dto/list-media.dto.js';
import { MediaFileDto, MediaPageDto } from './dto/media-file.dto.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import { MediaFilesService } from './media-files.service.js';

const ID_PARAM = {
  name: 'mediaFileId',
  format: 'uuid',
  example: '01937d4e-0000-7000-8000-000000000000',
  description: 'The id of a media file.',
};

@ApiTags('media')
@ApiBearerAuth()
@Controller('media')
export class MediaController {
  constructor(
    private readonly files: MediaFilesService,
    private readonly presenter: MediaFilePresenter,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List my files, newest first',
    description:
      'Pages by an opaque cursor: no file is skipped or repeated, also while others are being added. Deleted files are never shown, failed ones only with `status=failed`.',
  })
  @ApiOkResponse({ type: MediaPageDto, description: 'One page.' })
  @ApiProblems('validation_failed', 'unauthenticated', 'rate_limited', 'internal')
  async list(
    @CurrentUserIfKnown() userId: string | null,
    @Query() query: ListMediaDto,
  ): Promise<MediaPageDto> {
    if (userId === null) {
      return { items: [], hasMore: false, nextCursor: null };
    }
    const { files, nextCursor } = await this.files.list(userId, query);
    const items = await Promise.all(files.map((file) => this.presenter.present(file)));
    return { items, hasMore: nextCursor !== null, nextCursor };
  }

  @Get(':mediaFileId')
  @ApiOperation({
    summary: 'Look at one file',
    description: 'Ask again until `status` is `ready` or `failed`.',
  })
  @ApiParam(ID_PARAM)
  @ApiOkResponse({ type: MediaFileDto, description: 'The file as it is now.' })
  @ApiProblems(
    'validation_failed',
    'unauthenticated',
    'access_denied',
    'user_not_found',
    'not_found',
    'rate_limited',
    'internal',
  )
  async get(@CurrentUser() userId: string, @Param('mediaFileId', IdPipe) id: string): Promise<MediaFileDto> {
    return this.presenter.present(await this.files.get(id, userId));
  }

  @Delete(':mediaFileId')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Delete a file',
    description:
      'The file is gone from every answer, and its quota free, at once; its bytes follow within moments.',
  })
  @ApiParam(ID_PARAM)
  @ApiNoContentResponse({ description: 'It is deleted.' })
  @ApiProblems(
    'validation_failed',
    'unauthenticated',
    'access_denied',
    'user_not_found',
    'not_found',
    'rate_limited',
    'internal',
  )
  async delete(@CurrentUser() userId: string, @Param('mediaFileId', IdPipe) id: string): Promise<void> {
    await this.files.delete(id, userId);
  }
}
