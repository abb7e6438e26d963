import { describe, expect, it } from 'vitest';
import { SlidingWindowStorage } from './sliding-window-storage.js';

const MINUTE = 60_000;

/** @returns how many of so many hits got through */
async function times(count: number, hit: () => Promise<{ isBlocked: boolean }>): Promise<number> {
  let through = 0;
  for (let index = 0; index < count; index += 1) {
    through += (await hit()).isBlocked ? 0 : 1;
  }
  return through;
}

describe(SlidingWindowStorage.name, () => {
  let now = 1_000_000;
  const storage = () => new SlidingWindowStorage(() => now);
  it('lets exactly the limit through, and then nothing for the time of the block', async () => {
    const sut = storage();
    const hit = () => sut.increment('a', MINUTE, 10, MINUTE);

    expect(await times(15, hit)).toBe(10);
    now += MINUTE - 1;
    expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 1 });
    now += 1;
    expect(await hit()).toMatchObject({ isBlocked: false, totalHits: 1 });
  });

  it('tells a block of a minute as 60 seconds, also by a clock that counts fractions of milliseconds', async () => {
    let sinceStart = 30_000;
    const sut = new SlidingWindowStorage(() => sinceStart);
    const told = new Set<number>();
    for (let user = 0; user < 1_000; user += 1) {
      sinceStart += 0.1;
      await sut.increment(`user-${user}`, MINUTE, 1, MINUTE);
      told.add((await sut.increment(`user-${user}`, MINUTE, 1, MINUTE)).timeToBlockExpire);
    }
    expect([...told]).toEqual([60]);
  });

  it('never lets more than the limit through in any minute, however the hits are spread', async () => {
    const sut = storage();
    const through: number[] = [];
    for (let step = 0; step < 4_000; step += 1) {
      now += 90;
      if (!(await sut.increment('a', MINUTE, 50, 0)).isBlocked) {
        through.push(now);
      }
    }
    const busiest = Math.max(
      ...through.map((from) => through.filter((at) => at >= from && at < from + MINUTE).length),
    );
    expect(busiest).toBe(50);
    // And it does let them through, one window after the other.
    expect(through.length).toBeGreaterThan(280);
  });

  it('refuses what does not fit without counting it, when there is no block', async () => {
    const sut = storage();
    const hit = () => sut.increment('a', MINUTE, 3, 0);
    expect(await times(5, hit)).toBe(3);

    const refused = await hit();

    expect(refused).toMatchObject({ isBlocked: true, totalHits: 3 });
    expect(refused.timeToBlockExpire).toBeLessThanOrEqual(61);
    now += refused.timeToBlockExpire * 1000;
    expect(await hit()).toMatchObject({ isBlocked: false });
  });

  it('keeps the counts of different keys apart', async () => {
    const sut = storage();
    expect(await times(5, () => sut.increment('a', MINUTE, 3, 0))).toBe(3);
    expect(await times(5, () => sut.increment('b', MINUTE, 3, 0))).toBe(3);
  });

  it('does not bring hits back when the clock is set back', async () => {
    const sut = storage();
    expect(await times(3, () => sut.increment('a', MINUTE, 3, 0))).toBe(3);
    now -= 10 * MINUTE;
    expect((await sut.increment('a', MINUTE, 3, 0)).isBlocked).toBe(true);
  });
});
