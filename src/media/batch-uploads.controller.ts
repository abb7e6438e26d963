import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiUserProblems } from '../common/openapi.js';
import { CurrentUser } from '../common/principal.js';
import { ProblemError } from '../common/problem.js';
import { CostsAsMany } from '../common/request-cost.decorator.js';
import { ApiIdempotencyKey, IdempotencyKey } from '../idempotency/idempotency-key.decorator.js';
import { IdempotencyService } from '../idempotency/idempotency.service.js';
import { prepareReply, REPLAYED_HEADER } from '../idempotency/reply.js';
import { batchCost, type BatchItem, BatchItemsPipe } from './batch-items.pipe.js';
import { BatchUploadsPresenter } from './batch-uploads.presenter.js';
import { BatchUploadsService } from './batch-uploads.service.js';
import { BatchAnswerDto, BatchUploadsDto } from './dto/batch-uploads.dto.js';
import { contentOf } from './dto/request-upload.dto.js';

const PATH = '/v1/media/uploads/batch';

@ApiTags('uploads')
@ApiBearerAuth()
@Controller('media/uploads/batch')
export class BatchUploadsController {
  constructor(
    private readonly batches: BatchUploadsService,
    private readonly presenter: BatchUploadsPresenter,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post()
  @HttpCode(200)
  @CostsAsMany(batchCost)
  @ApiOperation({
    summary: 'Request many signed upload URLs at once',
    description:
      'Up to 100 upload requests in one, decided as if they had come one after the other: an item that does not fit into the quota is refused, and a smaller one after it may still fit. An item that is refused, or malformed, does not keep the others from being answered. Counts as as many requests as it has items under the rate limit. The body may have up to 256 kB. With an `Idempotency-Key`, an answer that has an item with a status of 500 or more is not kept: repeat it to get the missing URLs, for the same files.',
  })
  @ApiIdempotencyKey()
  @ApiBody({ type: BatchUploadsDto })
  @ApiOkResponse({
    type: BatchAnswerDto,
    description: 'An answer for each item, in their order.',
    headers: REPLAYED_HEADER,
  })
  @ApiUserProblems('validation_failed', 'user_not_found', 'idempotency_in_flight', 'idempotency_conflict')
  async request(
    @CurrentUser() userId: string,
    @IdempotencyKey() key: string | null,
    @Body(BatchItemsPipe) items: BatchItem[],
    @Res({ passthrough: true }) response: Response,
  ): Promise<BatchAnswerDto | string> {
    const reply = await this.idempotency.run(
      { userId, route: `POST ${PATH}`, key, body: () => items.map(whatItAsksFor) },
      {
        start: async (claim) => {
          const results = await this.batches.request(userId, items, claim);
          return claim === null
            ? this.presenter.presentOnce(userId, results, PATH)
            : this.presenter.present(results, PATH);
        },
        resume: async (ids) => {
          const results = await this.batches.resume(userId, items, ids);
          return results && this.presenter.present(results, PATH);
        },
      },
    );
    return prepareReply(response, reply);
  }
}

function whatItAsksFor({ raw, upload }: BatchItem): unknown {
  return upload instanceof ProblemError ? { malformed: raw } : contentOf(upload);
}
