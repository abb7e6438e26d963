import type { ThrottlerStorage } from '@nestjs/throttler';
import { LRUCache } from 'lru-cache';

type Record = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** A window is counted in this many parts, so an entry is as small for a million hits as for one. */
const PARTS = 60;
/** Some 400 bytes each. Whoever is the longest away goes first, and then starts with a full budget. */
const MAX_TRACKED = 50_000;

/**
 * Counts hits over a sliding window, at the same small price for every hit. (The storage that comes with the library
 * keeps each hit of the window, and walks through all of them at every request.) A hit is counted for as long as the
 * window, and up to a 60th of it longer: never more get through than the limit says.
 */
export class SlidingWindowStorage implements ThrottlerStorage {
  private readonly windows = new LRUCache<string, Window>({ max: MAX_TRACKED });

  /** @param now milliseconds of a clock that nobody sets back: with one that is, hits would not age until it has caught up */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /**
   * @param ttl length of the window, in milliseconds; always the same for a key
   * @param blockDuration milliseconds for which a key is refused that has gone over the limit; 0 refuses what does not
   *   fit, and does not count it
   */
  async increment(key: string, ttl: number, limit: number, blockDuration: number): Promise<Record> {
    const window = this.windows.get(key) ?? new Window(ttl);
    this.windows.set(key, window);
    // Whole milliseconds: with fractions, what is added to a time and taken away again can come out a little longer, and
    // a minute would be told as 61 seconds.
    return window.hit(Math.floor(this.now()), limit, blockDuration);
  }
}

/** The hits of one key, by part of the window. */
class Window {
  /** One part more than the window has: the oldest is only partly over. */
  private readonly counts = new Uint32Array(PARTS + 1);
  private readonly partMs: number;
  private total = 0;
  private current = 0;
  private blockedUntil = 0;

  constructor(private readonly ttlMs: number) {
    this.partMs = ttlMs / PARTS;
  }

  hit(now: number, limit: number, blockDurationMs: number): Record {
    this.forget(Math.floor(now / this.partMs));
    if (blockDurationMs <= 0) {
      const fits = this.total < limit;
      this.count(fits ? 1 : 0);
      return this.record(now, !fits, fits ? now : this.oldestEnd());
    }
    if (this.blockedUntil !== 0 && this.blockedUntil <= now) {
      this.blockedUntil = 0;
      this.clear();
    }
    if (this.blockedUntil === 0) {
      this.count(1);
      this.blockedUntil = this.total > limit ? now + blockDurationMs : 0;
    }
    return this.record(now, this.blockedUntil > now, this.blockedUntil);
  }

  private record(now: number, isBlocked: boolean, blockedUntil: number): Record {
    return {
      totalHits: this.total,
      timeToExpire: seconds(this.oldestEnd() - now),
      isBlocked,
      timeToBlockExpire: isBlocked ? seconds(blockedUntil - now) : 0,
    };
  }

  /** Moves on to the part of the window that it is now. */
  private forget(part: number): void {
    if (part - this.current > PARTS) {
      this.clear();
    } else {
      for (let past = this.current + 1; past <= part; past += 1) {
        const slot = past % this.counts.length;
        this.total -= this.counts[slot] ?? 0;
        this.counts[slot] = 0;
      }
    }
    // A clock that was set back must not bring hits back.
    this.current = Math.max(this.current, part);
  }

  private count(hits: number): void {
    const slot = this.current % this.counts.length;
    this.counts[slot] = (this.counts[slot] ?? 0) + hits;
    this.total += hits;
  }

  private clear(): void {
    this.counts.fill(0);
    this.total = 0;
  }

  /** When the oldest of the counted hits will have gone; with none, when one that came now would have. */
  private oldestEnd(): number {
    let part = this.current - PARTS;
    while (
      part < this.current &&
      (this.counts[(part + this.counts.length) % this.counts.length] ?? 0) === 0
    ) {
      part += 1;
    }
    return part * this.partMs + this.ttlMs + this.partMs;
  }
}

function seconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
