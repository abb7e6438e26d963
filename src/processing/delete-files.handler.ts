import { Injectable } from '@nestjs/common';
import { MediaFilesRepository } from '../media/media-files.repository.js';
import { MediaLifecycleRepository } from '../media/media-lifecycle.repository.js';
import type { JobOutcome } from '../queue/jobs.js';
import { ObjectRemover } from './object-remover.js';

/** Removes the bytes of a file that was deleted or has failed. */
@Injectable()
export class DeleteFilesHandler {
  constructor(
    private readonly files: MediaFilesRepository,
    private readonly lifecycle: MediaLifecycleRepository,
    private readonly remover: ObjectRemover,
  ) {}

  async run(mediaFileId: string): Promise<JobOutcome> {
    const file = await this.files.find(mediaFileId);
    if (file === null || !file.isDiscarded || file.purgedAt !== null) {
      return 'skipped';
    }
    await this.remover.removeAndSeal(file);
    return (await this.lifecycle.markPurged(file.id)) ? 'done' : 'skipped';
  }
}
