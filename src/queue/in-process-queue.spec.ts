import { describe, expect, it } from 'vitest';
import { Metrics } from '../common/metrics.js';
import { InProcessQueue, type InProcessQueueOptions } from './in-process-queue.js';
import type { Job, JobAttempt, JobOutcome } from './jobs.js';

const thumbnails = (mediaFileId: string): Job => ({ name: 'generate_thumbnails', mediaFileId });

/** A handler whose jobs end when the test says so. */
function heldHandler() {
  const started: Job[] = [];
  const gates = new Map<string, PromiseWithResolvers<JobOutcome>>();
  return {
    started,
    handler: (job: Job): Promise<JobOutcome> => {
      started.push(job);
      const gate = Promise.withResolvers<JobOutcome>();
      gates.set(job.mediaFileId, gate);
      return gate.promise;
    },
    finish: async (id: string) => {
      gates.get(id)?.resolve('done');
      await settleMicrotasks();
    },
  };
}

async function settleMicrotasks(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function queueWith(options: Partial<InProcessQueueOptions> = {}) {
  return new InProcessQueue(new Metrics(), { concurrency: 2, attempts: 3, ...options });
}

describe(InProcessQueue.name, () => {
  it('works on as many jobs at once as it may, and no more', async () => {
    const queue = queueWith({ concurrency: 2 });
    const held = heldHandler();
    queue.consume(held.handler);
    for (const id of ['a', 'b', 'c']) {
      await queue.enqueue(thumbnails(id));
    }
    expect(held.started).toHaveLength(2);
    await expect(queue.depth()).resolves.toEqual({ waiting: 1, active: 2, delayed: 0 });
    await held.finish('a');
    expect(held.started.map((job) => job.mediaFileId)).toEqual(['a', 'b', 'c']);
  });

  it('takes a job that waits or runs only once, and again when it is over', async () => {
    const queue = queueWith();
    const held = heldHandler();
    queue.consume(held.handler);
    await Promise.all([queue.enqueue(thumbnails('a')), queue.enqueue(thumbnails('a'))]);
    expect(held.started).toHaveLength(1);
    await held.finish('a');
    await queue.enqueue(thumbnails('a'));
    expect(held.started).toHaveLength(2);
  });

  it('keeps jobs of different types for the same file apart', async () => {
    const queue = queueWith();
    const held = heldHandler();
    queue.consume(held.handler);
    await queue.enqueue(thumbnails('a'));
    await queue.enqueue({ name: 'delete_files', mediaFileId: 'a' });
    expect(held.started).toHaveLength(2);
  });

  it('tries a failing job again, and says which attempt is the last', async () => {
    const queue = queueWith({ attempts: 2 });
    const attempts: JobAttempt[] = [];
    const over = Promise.withResolvers<void>();
    queue.consume(async (_job, attempt) => {
      attempts.push(attempt);
      if (attempt.last) {
        over.resolve();
      }
      throw new Error('storage is down');
    });
    await queue.enqueue(thumbnails('a'));
    await over.promise;
    await settleMicrotasks();
    expect(attempts).toEqual([
      { number: 1, last: false },
      { number: 2, last: true },
    ]);
    await expect(queue.depth()).resolves.toEqual({ waiting: 0, active: 0, delayed: 0 });
  });

  it('never fails a request: a full queue is counted, and left to the sweeper', async () => {
    const metrics = new Metrics();
    const queue = new InProcessQueue(metrics, { concurrency: 1, attempts: 1, capacity: 1 });
    await queue.enqueue(thumbnails('a'));
    expect(await queue.enqueue(thumbnails('b'))).toBe(false);
    const failures = await metrics.enqueueFailures.get();
    expect(failures.values).toEqual([expect.objectContaining({ value: 1 })]);
  });

  it('finishes what runs before it closes, and starts nothing new', async () => {
    const queue = queueWith({ concurrency: 1 });
    const held = heldHandler();
    queue.consume(held.handler);
    await queue.enqueue(thumbnails('a'));
    await queue.enqueue(thumbnails('b'));
    const closed = queue.close(10_000);
    await held.finish('a');
    await closed;
    await queue.enqueue(thumbnails('c'));
    expect(held.started.map((job) => job.mediaFileId)).toEqual(['a']);
  });

  it('does not wait for ever for a job that hangs', async () => {
    const queue = queueWith();
    const held = heldHandler();
    queue.consume(held.handler);
    await queue.enqueue(thumbnails('a'));
    await expect(queue.close(10)).resolves.toBeUndefined();
  });
});
