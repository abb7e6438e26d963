import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Metrics } from '../common/metrics.js';
import { within } from '../common/within.js';
import type { MediaFile } from '../media/media-file.entity.js';
import { AdvisoryLock, LOCKS } from '../database/advisory-lock.js';
import { DatabaseServer } from '../database/database-server.js';
import { IdempotencyRepository } from '../idempotency/idempotency.repository.js';
import { MediaFilesRepository } from '../media/media-files.repository.js';
import { type DueWork, MediaLifecycleRepository } from '../media/media-lifecycle.repository.js';
import { JobQueue } from '../queue/job-queue.js';
import { ObjectStorage } from '../storage/object-storage.js';
import { ObjectRemover } from './object-remover.js';

/** Rows a step takes on at once; a longer backlog is worked off batch by batch. */
const BATCH = 200;
/** Storage calls at once; the sweeper must not crowd out requests. */
const CONCURRENCY = 8;
/** The longest upload window; what is older waits for nobody. The lifecycle rule of a cloud bucket says the same. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;
/** The queue drains after the sweeper has stopped, and needs most of the time that there is. */
const STOP_GRACE_MS = 2_000;
const ABANDONED_INTERVAL_MS = 60 * 60 * 1000;

/**
 * Drives again whatever the table says is unfinished, so that nothing depends on the queue:
 * uploads whose window has closed, files that are `processing` for too long, deletions that were not carried out,
 * and objects that a late writer left behind.
 */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(Sweeper.name);
  private readonly intervalSeconds: number;
  private readonly lock: AdvisoryLock;
  private abandonedDueAt = 0;
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly lifecycle: MediaLifecycleRepository,
    private readonly files: MediaFilesRepository,
    private readonly keys: IdempotencyRepository,
    private readonly remover: ObjectRemover,
    private readonly storage: ObjectStorage,
    private readonly queue: JobQueue,
    private readonly metrics: Metrics,
    server: DatabaseServer,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {
    this.intervalSeconds = config.worker.sweepIntervalSeconds;
    this.lock = new AdvisoryLock(server.directUrl, LOCKS.sweeper);
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.config.role === 'api') {
      return;
    }
    if (this.queue.volatile) {
      // What an earlier process had queued died with it: the first pass drives all of it.
      await this.lifecycle.makeAllDue();
    }
    this.running = this.sweepThenWait();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) {
      clearTimeout(this.timer);
    }
    // The rest of a pass that cannot end now, because storage or database are slow, is left to the next sweeper.
    await within(STOP_GRACE_MS, this.running).catch(() => {});
    await this.lock.release();
  }

  /** One pass over everything. A step that fails does not keep the others from their turn. */
  async sweep(): Promise<void> {
    const failures: unknown[] = [];
    const steps: (() => Promise<void>)[] = [
      () => this.expireUploads(),
      () => this.driveUnfinished(),
      () => this.removeLeftovers(),
      () => this.removeAbandoned(),
      () => this.forgetKeys(),
    ];
    for (const step of steps) {
      if (this.stopped) {
        break;
      }
      await step().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, 'Not every step of the sweep succeeded');
    }
  }

  private async sweepThenWait(): Promise<void> {
    try {
      // One sweeper at a time is enough; should it die, its lock falls to the next one that asks.
      if (await this.lock.tryAcquire()) {
        await this.sweep();
        this.metrics.sweeps.inc({ outcome: 'done' });
      } else {
        this.metrics.sweeps.inc({ outcome: 'elsewhere' });
      }
    } catch (error) {
      if (this.stopped) {
        return;
      }
      this.metrics.sweeps.inc({ outcome: 'failed' });
      this.logger.error({ err: error }, 'A sweep failed; the next one tries again');
    }
    if (!this.stopped) {
      // Jitter keeps the sweepers of several replicas apart.
      const delay = this.intervalSeconds * 1000 * (0.9 + Math.random() * 0.2);
      this.timer = setTimeout(() => {
        this.running = this.sweepThenWait();
      }, delay);
    }
  }

  /** First nobody can confirm it any more, then its bytes go, then its reservation: in this order it can be cut short anywhere. */
  private async expireUploads(): Promise<void> {
    await this.inBatches(
      () => this.lifecycle.findExpired(BATCH),
      async (file) => {
        if (!(await this.expire(file))) {
          return false;
        }
        await this.remover.removeAll(file);
        return this.lifecycle.releaseExpired(file.id);
      },
      'expired',
    );
  }

  /** @returns false when a confirm, which was under way when the window closed, has made a file of it; a deletion may have been faster, too */
  private async expire(file: MediaFile): Promise<boolean> {
    if (file.isDiscarded || (await this.lifecycle.markExpired(file.id))) {
      return true;
    }
    const now = await this.files.find(file.id);
    return now?.isDiscarded === true;
  }

  private async driveUnfinished(): Promise<void> {
    for (;;) {
      const due = await this.lifecycle.claimDueWork(BATCH, this.intervalSeconds);
      const driven = await this.handOver(due);
      this.metrics.sweptFiles.inc({ action: 'driven' }, driven);
      if (driven < due.length) {
        // Not its fault: were it to count, the work would be put off further and further while the queue is away.
        const rest = due.slice(driven).map(({ id }) => id);
        await this.lifecycle.putBack(rest, this.intervalSeconds);
      }
      if (driven < BATCH || this.stopped) {
        return;
      }
    }
  }

  /** Stops at the first one that the queue does not take. @returns how many it took */
  private async handOver(due: readonly DueWork[]): Promise<number> {
    for (const [index, { id, discarded }] of due.entries()) {
      const name = discarded ? 'delete_files' : 'generate_thumbnails';
      if (!(await this.queue.enqueue({ name, mediaFileId: id }))) {
        return index;
      }
    }
    return due.length;
  }

  private async removeLeftovers(): Promise<void> {
    await this.inBatches(
      () => this.lifecycle.findLeftovers(BATCH),
      async (file) => {
        await (file.isDiscarded ? this.remover.removeAll(file) : this.remover.removeUpload(file));
        return this.lifecycle.markLeftoversSwept(file);
      },
      'leftovers',
    );
  }

  /** Walks folders, so it takes its turn once an hour, not with every sweep. */
  private async removeAbandoned(): Promise<void> {
    if (Date.now() < this.abandonedDueAt) {
      return;
    }
    const removed = await this.storage.removeAbandoned(new Date(Date.now() - ABANDONED_AFTER_MS));
    this.metrics.sweptFiles.inc({ action: 'abandoned' }, removed);
    this.abandonedDueAt = Date.now() + ABANDONED_INTERVAL_MS;
  }

  /** Answers are kept for a day; see `Idempotency-Key`. */
  private async forgetKeys(): Promise<void> {
    for (;;) {
      const removed = await this.keys.removeOver(BATCH);
      this.metrics.sweptFiles.inc({ action: 'forgotten' }, removed);
      if (removed < BATCH || this.stopped) {
        return;
      }
    }
  }

  /** Goes on while whole batches come back changed; a batch in which nothing moved would only come back as it was. */
  private async inBatches(
    find: () => Promise<MediaFile[]>,
    act: (file: MediaFile) => Promise<boolean>,
    action: string,
  ): Promise<void> {
    for (;;) {
      const batch = await find();
      const changed = await this.actOnEach(batch, act);
      this.metrics.sweptFiles.inc({ action }, changed);
      if (batch.length < BATCH || changed === 0 || this.stopped) {
        return;
      }
    }
  }

  private async actOnEach(
    batch: readonly MediaFile[],
    act: (file: MediaFile) => Promise<boolean>,
  ): Promise<number> {
    const queue = [...batch];
    let changed = 0;
    let firstError: unknown = null;
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined && !this.stopped; file = queue.shift()) {
        try {
          changed += (await act(file)) ? 1 : 0;
        } catch (error) {
          // One file that cannot be swept now must not hold up the others.
          firstError ??= error;
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    if (firstError !== null) {
      throw firstError;
    }
    return changed;
  }
}
