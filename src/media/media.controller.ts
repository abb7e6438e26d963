import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiUserProblems } from '../common/openapi.js';
import { CurrentUser, CurrentUserIfKnown } from '../common/principal.js';
import { IdPipe } from '../common/validation.js';
import { ListMediaDto } from './dto/list-media.dto.js';
import { MediaFileDto, MediaPageDto } from './dto/media-file.dto.js';
import { ApiMediaFileId } from './media-file-id.decorator.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import { MediaFilesService } from './media-files.service.js';

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
  @ApiUserProblems('validation_failed')
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
  @ApiMediaFileId()
  @ApiOkResponse({ type: MediaFileDto, description: 'The file as it is now.' })
  @ApiUserProblems('validation_failed', 'access_denied', 'user_not_found', 'not_found')
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
  @ApiMediaFileId()
  @ApiNoContentResponse({ description: 'It is deleted.' })
  @ApiUserProblems('validation_failed', 'access_denied', 'user_not_found', 'not_found')
  async delete(@CurrentUser() userId: string, @Param('mediaFileId', IdPipe) id: string): Promise<void> {
    await this.files.delete(id, userId);
  }
}
