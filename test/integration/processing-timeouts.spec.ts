import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GenerateThumbnailsHandler } from '../../src/processing/generate-thumbnails.handler.js';
import { ImagePipeline } from '../../src/processing/image/image-pipeline.js';
import { ProcessingTimeout } from '../../src/processing/image/processing-fault.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import { StorageUnavailableError } from '../../src/storage/storage.errors.js';
import type { ApiClient } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const ATTEMPTS = 3;
const TIMEOUT = new ProcessingTimeout('Took too long');
const OUTAGE = new StorageUnavailableError('put');

describe('an image that runs out of time', () => {
  let mediadock: TestApp;
  let alice: ApiClient;
  let handler: GenerateThumbnailsHandler;
  let seed = 0;

  beforeAll(async () => {
    mediadock = await startTestApp({ SWEEP_INTERVAL_SECONDS: '3600' });
    alice = mediadock.as('alice');
    handler = mediadock.app.get(GenerateThumbnailsHandler, { strict: false });
  });
  afterAll(async () => mediadock.close());

  /** Plays rounds of attempts that end as told. @returns what became of the file */
  async function after(...rounds: readonly Error[][]): Promise<{ status: string; code: string | null }> {
    // The test itself is the queue.
    vi.spyOn(mediadock.app.get(JobQueue, { strict: false }), 'enqueue').mockResolvedValue(true);
    const process = vi.spyOn(mediadock.app.get(ImagePipeline, { strict: false }), 'process');
    const { body } = await alice.uploadDirect(await photo(64, 48, (seed += 1)), 'image/jpeg');
    for (const round of rounds) {
      for (const [index, error] of round.entries()) {
        process.mockRejectedValueOnce(error);
        await handler.run(body.id, { number: index + 1, last: index + 1 === ATTEMPTS }).catch(() => {});
      }
    }
    const { status, processingError } = (await alice.get(body.id)).body;
    return { status, code: processingError };
  }

  it('has failed when that was so at every attempt of a round', async () => {
    expect(await after([TIMEOUT, TIMEOUT, TIMEOUT])).toEqual({
      status: 'failed',
      code: 'processing_timeout',
    });
    expect(await after([OUTAGE, OUTAGE, OUTAGE], [TIMEOUT, TIMEOUT, TIMEOUT])).toEqual({
      status: 'failed',
      code: 'processing_timeout',
    });
  });

  it.each([
    ['of which one ended otherwise', [[TIMEOUT, OUTAGE, TIMEOUT]]],
    ['of which the first ended otherwise', [[OUTAGE, TIMEOUT, TIMEOUT]]],
    [
      'which was the only one of its round',
      [
        [TIMEOUT, TIMEOUT, OUTAGE],
        [OUTAGE, OUTAGE, TIMEOUT],
      ],
    ],
  ])('is tried again after attempts %s', async (_what, rounds) => {
    expect(await after(...rounds)).toEqual({ status: 'processing', code: null });
  });
});
