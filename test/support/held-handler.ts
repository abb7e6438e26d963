import type { Job, JobAttempt, JobOutcome } from '../../src/queue/jobs.js';
import { until } from './api-client.js';

export interface StartedJob {
  readonly job: Job;
  readonly attempt: JobAttempt;
}

/** A handler whose jobs end when the test says so, and how. */
export class HeldHandler {
  readonly started: StartedJob[] = [];
  /** The most jobs that were ever at work at once. */
  most = 0;
  private readonly gates: { id: string; gate: PromiseWithResolvers<JobOutcome> }[] = [];

  readonly handle = async (job: Job, attempt: JobAttempt): Promise<JobOutcome> => {
    const entry = { id: job.mediaFileId, gate: Promise.withResolvers<JobOutcome>() };
    this.gates.push(entry);
    this.most = Math.max(this.most, this.gates.length);
    this.started.push({ job, attempt });
    return entry.gate.promise.finally(() => this.gates.splice(this.gates.indexOf(entry), 1));
  };

  get startedIds(): string[] {
    return this.started.map(({ job }) => job.mediaFileId);
  }

  /** Waits until so many jobs have been started in all. */
  async untilStarted(count: number): Promise<void> {
    await until(async () => (this.started.length >= count ? true : null), `${count} jobs to start`);
  }

  finish(id: string, outcome: JobOutcome = 'done'): void {
    this.gates.find((entry) => entry.id === id)?.gate.resolve(outcome);
  }

  fail(id: string): void {
    this.gates.find((entry) => entry.id === id)?.gate.reject(new Error('Storage is down'));
  }

  finishAll(): void {
    for (const { gate } of this.gates) {
      gate.resolve('done');
    }
  }
}
