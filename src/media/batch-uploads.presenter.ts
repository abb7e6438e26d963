import { Injectable, Logger } from '@nestjs/common';
import { inParallel } from '../common/in-parallel.js';
import type { ProblemError } from '../common/problem.js';
import { problemBody, toProblem } from '../common/problem.filter.js';
import type { Answer } from '../idempotency/idempotency.service.js';
import type { BatchItemResult } from './batch-uploads.service.js';
import type { BatchAnswerDto, BatchItemDto } from './dto/batch-uploads.dto.js';
import { UploadRequestPresenter } from './upload-request.presenter.js';
import { type UploadRequestResult, UploadsService } from './uploads.service.js';

/** Where signing is a call to a service, so many of them at once. */
const SIGNATURES_AT_ONCE = 10;

/** Why a URL of this batch could not be signed: to find that out again for each item would take minutes. */
interface Outage {
  problem: ProblemError | null;
}

/** Signs the URLs of a batch, after everything is committed, and says what became of each item. */
@Injectable()
export class BatchUploadsPresenter {
  private readonly logger = new Logger(BatchUploadsPresenter.name);

  constructor(
    private readonly uploads: UploadsService,
    private readonly presenter: UploadRequestPresenter,
  ) {}

  /**
   * An item whose URL cannot be signed now says so, and so do those whose turn comes after that. An answer with such an
   * item is not final: under the same `Idempotency-Key`, the next one may have all the URLs.
   */
  async present(results: readonly BatchItemResult[], path: string): Promise<Answer<BatchAnswerDto>> {
    const outage: Outage = { problem: null };
    const items = await inParallel(SIGNATURES_AT_ONCE, results, (result) =>
      this.presentItem(result, path, outage),
    );
    return { status: 200, body: { items }, final: items.every(({ status }) => status < 500) };
  }

  /** The same for a batch without an `Idempotency-Key`: what has got no URL now will never get one, and is withdrawn. */
  async presentOnce(
    userId: string,
    results: readonly BatchItemResult[],
    path: string,
  ): Promise<Answer<BatchAnswerDto>> {
    const answer = await this.present(results, path);
    const { items } = answer.body;
    const inVain = results.flatMap((result, index) =>
      'file' in result && items[index]?.status !== 201 ? [result.file] : [],
    );
    if (inVain.length > 0) {
      await this.uploads.withdraw(userId, inVain);
    }
    return answer;
  }

  private async presentItem(result: BatchItemResult, path: string, outage: Outage): Promise<BatchItemDto> {
    try {
      const { body } = await this.presenter.present(await this.withUrl(result, outage));
      return 'duplicate' in body
        ? Object.assign({ status: 200 } as const, body)
        : Object.assign({ status: 201 } as const, body);
    } catch (error) {
      const problem = toProblem(error);
      if (problem.status >= 500 && problem !== outage.problem) {
        this.logger.error({ err: problem.cause ?? error, code: problem.code }, problem.message);
      }
      if (problem.code === 'storage_unavailable') {
        outage.problem = problem;
      }
      return problemBody(path, problem);
    }
  }

  /** @throws ProblemError which the item is, or why there is no URL to it */
  private async withUrl(result: BatchItemResult, outage: Outage): Promise<UploadRequestResult> {
    if (result instanceof Error) {
      throw result;
    }
    if ('duplicate' in result) {
      return result;
    }
    if (outage.problem !== null) {
      throw outage.problem;
    }
    return this.uploads.withUrl(result.file);
  }
}
