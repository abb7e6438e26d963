import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Metrics } from '../common/metrics.js';
import { DatabaseServer } from '../database/database-server.js';
import { NotificationListener } from '../database/notification-listener.js';
import type { MediaFile } from './media-file.entity.js';
import { MediaFilesRepository } from './media-files.repository.js';
import { SETTLED_CHANNEL } from './settled-notification.js';

/** Half of the connections that a process takes: the other half is for requests that do not wait. */
export const MAX_WAITERS = 5_000;

/** How often all waited files are looked at, by one statement, while no notifications come. */
const TICK_MS = 2_000;
/** In ticks, the same while they should come: a connection can be dead, or a pooler's, without anybody being told. */
const LOOK_EVERY = 3;

export interface Patience {
  readonly seconds: number;
  /** Aborted when nobody is there any more who would read the answer. */
  readonly gone: AbortSignal;
}

/** The file that was waited for, or why there is no more waiting. */
type Outcome = MediaFile | 'over' | 'gone';
type Waiter = PromiseWithResolvers<Outcome>;

/**
 * Requests that wait for a file to settle. One connection hears for all of them what has settled, in whatever process;
 * woken ones are read together, one statement at a time. So a waiter is an entry in a map and a timer, and holds
 * neither a connection nor a transaction.
 */
@Injectable()
export class SettledFiles implements OnModuleDestroy {
  private readonly logger = new Logger(SettledFiles.name);
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly listener: NotificationListener;
  /** Waited files that may have settled. */
  private readonly woken = new Set<string>();
  private answering = false;
  private count = 0;
  private ticks: NodeJS.Timeout | null = null;
  private ticksSinceLook = 0;
  private closed = false;

  constructor(
    private readonly files: MediaFilesRepository,
    private readonly metrics: Metrics,
    server: DatabaseServer,
  ) {
    this.listener = new NotificationListener(server.directUrl, SETTLED_CHANNEL, {
      notified: (id) => this.wake([id]),
      connected: () => this.wake(this.waiters.keys()),
      lost: () => this.listenIfNeeded(),
    });
  }

  /** Everybody is answered, with the file as it is; whoever comes later does not wait. */
  async onModuleDestroy(): Promise<void> {
    this.closed = true;
    this.stopTicking();
    for (const waiter of [...this.waiters.values()].flatMap((some) => [...some])) {
      waiter.resolve('over');
    }
    await this.listener.close();
  }

  /**
   * @param look reads the file, and decides whether it may be seen
   * @returns the file once it has settled (deleted ones included), or as it is when patience ends. At once when it has
   *   settled already, when too many wait, and when the process is about to end
   */
  async whenSettled(id: string, look: () => Promise<MediaFile>, patience: Patience): Promise<MediaFile> {
    if (this.closed || this.count >= MAX_WAITERS) {
      return look();
    }
    // First the place among the waiters, then the look: what settles in between is not missed.
    const waiter = this.add(id);
    try {
      const file = await look();
      if (file.isSettled) {
        return file;
      }
      const outcome = await patiently(waiter, patience);
      if (outcome === 'gone') {
        return file;
      }
      return outcome === 'over' ? await look() : outcome;
    } finally {
      this.remove(id, waiter);
    }
  }

  private add(id: string): Waiter {
    const waiter: Waiter = Promise.withResolvers();
    const others = this.waiters.get(id);
    if (others === undefined) {
      this.waiters.set(id, new Set([waiter]));
    } else {
      others.add(waiter);
    }
    this.count += 1;
    this.metrics.waitingRequests.inc();
    this.listenIfNeeded();
    return waiter;
  }

  private remove(id: string, waiter: Waiter): void {
    const others = this.waiters.get(id);
    others?.delete(waiter);
    if (others?.size === 0) {
      this.waiters.delete(id);
    }
    this.count -= 1;
    this.metrics.waitingRequests.dec();
    if (this.count === 0) {
      this.stopTicking();
    }
  }

  private listenIfNeeded(): void {
    if (this.count > 0 && !this.closed) {
      this.listener.open();
      this.ticks ??= setInterval(() => this.tick(), TICK_MS);
    }
  }

  private stopTicking(): void {
    if (this.ticks !== null) {
      clearInterval(this.ticks);
      this.ticks = null;
      this.ticksSinceLook = 0;
    }
  }

  private tick(): void {
    this.ticksSinceLook += 1;
    if (!this.listener.isListening || this.ticksSinceLook >= LOOK_EVERY) {
      this.listener.open();
      this.ticksSinceLook = 0;
      this.wake(this.waiters.keys());
    }
  }

  private wake(ids: Iterable<string>): void {
    for (const id of ids) {
      if (this.waiters.has(id)) {
        this.woken.add(id);
      }
    }
    if (!this.answering) {
      void this.answerWoken();
    }
  }

  /** What is woken while one statement is under way goes into the next one. */
  private async answerWoken(): Promise<void> {
    this.answering = true;
    try {
      while (this.woken.size > 0) {
        const ids = [...this.woken];
        this.woken.clear();
        for (const file of await this.files.findSettled(ids)) {
          this.answer(file);
        }
      }
    } catch (error) {
      this.logger.warn(
        { err: error },
        'Files that are waited for could not be read; the next tick tries again',
      );
      this.ticksSinceLook = LOOK_EVERY;
    } finally {
      this.answering = false;
    }
  }

  private answer(file: MediaFile): void {
    for (const waiter of this.waiters.get(file.id) ?? []) {
      waiter.resolve(file);
    }
  }
}

async function patiently(waiter: Waiter, { seconds, gone }: Patience): Promise<Outcome> {
  const leave = () => waiter.resolve('gone');
  const timer = setTimeout(() => waiter.resolve('over'), seconds * 1000);
  gone.addEventListener('abort', leave);
  if (gone.aborted) {
    leave();
  }
  try {
    return await waiter.promise;
  } finally {
    clearTimeout(timer);
    gone.removeEventListener('abort', leave);
  }
}
