import { Controller, Delete, Get, HttpCode, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { inParallel } from '../common/in-parallel.js';
import { ApiUserProblems } from '../common/openapi.js';
import { CurrentUser, CurrentUserIfKnown } from '../common/principal.js';
import { measureApart } from '../common/request-metrics.js';
import { IdPipe } from '../common/validation.js';
import { ListMediaDto } from './dto/list-media.dto.js';
import { DEFAULT_TIMEOUT_SECONDS, LookAtMediaDto } from './dto/look-at-media.dto.js';
import { MediaFileDto, MediaPageDto } from './dto/media-file.dto.js';
import { ApiMediaFileId } from './media-file-id.decorator.js';
import { MediaFilePresenter } from './media-file.presenter.js';
import { MediaFilesService } from './media-files.service.js';

/** Where signing is a call to a service, three times so many of them at once. */
const FILES_AT_ONCE = 10;

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
  @ApiUserProblems('validation_failed', 'storage_unavailable')
  async list(
    @CurrentUserIfKnown() userId: string | null,
    @Query() query: ListMediaDto,
  ): Promise<MediaPageDto> {
    const { files, nextCursor } = await this.files.list(userId, query);
    const items = await inParallel(FILES_AT_ONCE, files, (file) => this.presenter.present(file));
    return { items, hasMore: nextCursor !== null, nextCursor };
  }

  @Get(':mediaFileId')
  @ApiOperation({
    summary: 'Look at one file',
    description:
      'Answers at once. With `waitFor=ready` it answers as soon as `status` is `ready` or `failed`, with 404 as soon as the file is deleted, and after `timeoutSeconds` with the file as it is then, `pending` or `processing`: ask again. A server that stops, or has too many waiting already, answers so before the time is up. However long it waits, it is one request under the rate limit.',
  })
  @ApiMediaFileId()
  @ApiOkResponse({ type: MediaFileDto, description: 'The file as it is now.' })
  @ApiUserProblems('validation_failed', 'access_denied', 'user_not_found', 'not_found', 'storage_unavailable')
  async get(
    @CurrentUser() userId: string,
    @Param('mediaFileId', IdPipe) id: string,
    @Query() { waitFor, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS }: LookAtMediaDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<MediaFileDto> {
    if (waitFor === undefined) {
      return this.presenter.present(await this.files.get(id, userId));
    }
    measureApart(response, 'waiting');
    const patience = { seconds: timeoutSeconds, gone: closeOf(response) };
    return this.presenter.present(await this.files.getSettled(id, userId, patience));
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

/** Aborted when the connection of this answer is gone, or the answer with it. */
function closeOf(response: Response): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  // A body that nobody reads would stop the connection, and its end would not be noticed.
  response.req.resume();
  if (response.destroyed) {
    controller.abort();
  }
  return controller.signal;
}
