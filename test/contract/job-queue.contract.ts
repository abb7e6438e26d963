import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { JobQueue, QueueDepth } from '../../src/queue/job-queue.js';
import type { Job } from '../../src/queue/jobs.js';
import { until } from '../support/api-client.js';
import { HeldHandler } from '../support/held-handler.js';

export interface JobQueueOptions {
  readonly concurrency: number;
  readonly attempts: number;
}

/** An adapter to be tested, empty, and nobody consuming from it. */
export interface JobQueueSubject {
  readonly queue: JobQueue;
  /** After the test, whatever state the queue is in. */
  release(): Promise<void>;
}

const EMPTY: QueueDepth = { waiting: 0, active: 0, delayed: 0 };

const thumbnails = (mediaFileId: string): Job => ({ name: 'generate_thumbnails', mediaFileId });
const deletion = (mediaFileId: string): Job => ({ name: 'delete_files', mediaFileId });

/** Reaching a depth takes a moment where the queue is another process. */
async function untilDepth(queue: JobQueue, expected: Partial<QueueDepth>): Promise<void> {
  const wanted = { ...EMPTY, ...expected };
  await until(
    async () => (JSON.stringify(await queue.depth()) === JSON.stringify(wanted) ? true : null),
    `the queue to be at ${JSON.stringify(wanted)}`,
  );
}

/** What every adapter of {@link JobQueue} must do. */
export function describeJobQueue(
  name: string,
  makeSubject: (options: JobQueueOptions) => Promise<JobQueueSubject>,
): void {
  describe(`${name} as a job queue`, () => {
    const subjects: JobQueueSubject[] = [];

    afterEach(async () => {
      await Promise.all(subjects.splice(0).map((subject) => subject.release()));
    });

    async function open(options: Partial<JobQueueOptions> = {}): Promise<JobQueue> {
      const subject = await makeSubject({ concurrency: 2, attempts: 3, ...options });
      subjects.push(subject);
      return subject.queue;
    }

    it('hands out the job as it was enqueued, on its first attempt', async () => {
      const queue = await open();
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      await held.untilStarted(1);
      expect(held.started).toEqual([{ job: thumbnails('a'), attempt: { number: 1, last: false } }]);
      held.finish('a');
      await untilDepth(queue, EMPTY);
    });

    it('keeps what is enqueued before anybody consumes', async () => {
      const queue = await open();
      await queue.enqueue(thumbnails('a'));
      expect(await queue.depth()).toEqual({ ...EMPTY, waiting: 1 });
      const held = new HeldHandler();
      queue.consume(held.handle);
      await held.untilStarted(1);
      held.finishAll();
      await untilDepth(queue, EMPTY);
    });

    it('takes a job that waits only once', async () => {
      const queue = await open();
      await Promise.all([1, 2, 3].map(() => queue.enqueue(thumbnails('a'))));
      expect(await queue.depth()).toEqual({ ...EMPTY, waiting: 1 });
    });

    it('takes a job that runs only once', async () => {
      const queue = await open();
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      await held.untilStarted(1);
      await queue.enqueue(thumbnails('a'));
      expect(await queue.depth()).toEqual({ ...EMPTY, active: 1 });
      held.finishAll();
      await untilDepth(queue, EMPTY);
      expect(held.startedIds).toEqual(['a']);
    });

    it('takes a job that waits for its next attempt only once', async () => {
      const queue = await open();
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      await held.untilStarted(1);
      held.fail('a');
      await untilDepth(queue, { delayed: 1 });
      await queue.enqueue(thumbnails('a'));
      expect((await queue.depth()).waiting).toBe(0);
    });

    it('keeps jobs of different types for the same file apart', async () => {
      const queue = await open();
      await queue.enqueue(thumbnails('a'));
      await queue.enqueue(deletion('a'));
      expect(await queue.depth()).toEqual({ ...EMPTY, waiting: 2 });
    });

    it('takes a job again once it is done, from the first attempt on', async () => {
      const queue = await open();
      const held = new HeldHandler();
      queue.consume(held.handle);
      for (const round of [1, 2, 3]) {
        await queue.enqueue(thumbnails('a'));
        await held.untilStarted(round);
        held.finish('a');
        await untilDepth(queue, EMPTY);
      }
      expect(held.started.map(({ attempt }) => attempt.number)).toEqual([1, 1, 1]);
    });

    it('takes a job again once it is given up, from the first attempt on', async () => {
      const queue = await open({ attempts: 1 });
      const held = new HeldHandler();
      queue.consume(held.handle);
      for (const round of [1, 2]) {
        await queue.enqueue(thumbnails('a'));
        await held.untilStarted(round);
        held.fail('a');
        await untilDepth(queue, EMPTY);
      }
      expect(held.started.map(({ attempt }) => attempt)).toEqual([
        { number: 1, last: true },
        { number: 1, last: true },
      ]);
    });

    it('tries a failing job again, says which attempt is the last, and then gives up', async () => {
      const queue = await open({ attempts: 2 });
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      for (const round of [1, 2]) {
        await held.untilStarted(round);
        held.fail('a');
      }
      await untilDepth(queue, EMPTY);
      expect(held.started.map(({ attempt }) => attempt)).toEqual([
        { number: 1, last: false },
        { number: 2, last: true },
      ]);
    });

    it('does not repeat a job that ended in a failure for good', async () => {
      const queue = await open();
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      await held.untilStarted(1);
      held.finish('a', 'failed');
      await untilDepth(queue, EMPTY);
      expect(held.startedIds).toEqual(['a']);
    });

    it('works on as many jobs at once as it may, counted over all types', async () => {
      const queue = await open({ concurrency: 2 });
      const held = new HeldHandler();
      for (const id of ['a', 'b', 'c']) {
        await queue.enqueue(thumbnails(id));
        await queue.enqueue(deletion(id));
      }
      queue.consume(held.handle);
      for (const remaining of [4, 3, 2, 1]) {
        await untilDepth(queue, { waiting: remaining, active: 2 });
        await held.untilStarted(6 - remaining);
        held.finish(held.startedIds[4 - remaining] ?? '');
      }
      await held.untilStarted(6);
      held.finishAll();
      await untilDepth(queue, EMPTY);
      expect(held.most).toBe(2);
    });

    it('answers when it is asked how it is', async () => {
      const queue = await open();
      await expect(queue.check()).resolves.toBeUndefined();
    });

    it('finishes what runs before it closes, and starts nothing new', async () => {
      const queue = await open({ concurrency: 1 });
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      await held.untilStarted(1);
      await queue.enqueue(thumbnails('b'));
      const closing = queue.close(10_000);
      const first = await Promise.race([closing.then(() => 'closed'), setImmediate('still waiting')]);
      expect(first).toBe('still waiting');
      held.finish('a');
      await closing;
      await queue.enqueue(thumbnails('c'));
      expect(held.startedIds).toEqual(['a']);
    });

    it('does not wait for ever for a job that hangs', async () => {
      const queue = await open();
      const held = new HeldHandler();
      queue.consume(held.handle);
      await queue.enqueue(thumbnails('a'));
      await held.untilStarted(1);
      await expect(queue.close(10)).resolves.toBeUndefined();
    });

    it('may be closed before it was used, and twice', async () => {
      const queue = await open();
      await queue.close(10_000);
      await expect(queue.close(10_000)).resolves.toBeUndefined();
    });
  });
}
