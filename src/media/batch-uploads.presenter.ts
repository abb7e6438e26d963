import { Injectable, Logger } from '@nestjs/common';
import { inParallel } from '../common/in-parallel.js';
import { problemBody, toProblem } from '../common/problem.filter.js';
import type { Answer } from '../idempotency/idempotency.service.js';
import type { BatchItemResult } from './batch-uploads.service.js';
import type { BatchAnswerDto, BatchItemDto } from './dto/batch-uploads.dto.js';
import { UploadRequestPresenter } from './upload-request.presenter.js';
import { UploadsService } from './uploads.service.js';

/** Where signing is a call to a service, so many of them at once. */
const SIGNATURES_AT_ONCE = 10;

/** Signs the URLs of a batch, after everything is committed, and says what became of each item. */
@Injectable()
export class BatchUploadsPresenter {
  private readonly logger = new Logger(BatchUploadsPresenter.name);

  constructor(
    private readonly uploads: UploadsService,
    private readonly presenter: UploadRequestPresenter,
  ) {}

  /**
   * An item whose URL cannot be signed now says so, and its reservation ends with its window. An answer with such an
   * item is not final: under the same `Idempotency-Key`, the next one may have all the URLs.
   */
  async present(results: readonly BatchItemResult[], path: string): Promise<Answer<BatchAnswerDto>> {
    const items = await inParallel(SIGNATURES_AT_ONCE, results, (result) => this.presentItem(result, path));
    return { status: 200, body: { items }, final: items.every(({ status }) => status < 500) };
  }

  private async presentItem(result: BatchItemResult, path: string): Promise<BatchItemDto> {
    try {
      if (result instanceof Error) {
        throw result;
      }
      const { body } = await this.presenter.present(
        'file' in result ? await this.uploads.withUrl(result.file) : result,
      );
      return 'duplicate' in body
        ? Object.assign({ status: 200 } as const, body)
        : Object.assign({ status: 201 } as const, body);
    } catch (error) {
      const problem = toProblem(error);
      if (problem.status >= 500) {
        this.logger.error({ err: problem.cause ?? error, code: problem.code }, problem.message);
      }
      return problemBody(path, problem);
    }
  }
}
