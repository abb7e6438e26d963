import { describe, expect, it } from 'vitest';
import { backoffMs, jobIdOf } from './jobs.js';

describe(backoffMs.name, () => {
  it('doubles with every attempt, up to half a minute', () => {
    const longest = [1, 2, 3, 4, 5, 6, 20].map((attempt) => backoffMs(attempt, () => 1));
    expect(longest).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('spreads jobs that failed together over half of the wait', () => {
    expect(backoffMs(3, () => 0)).toBe(2_000);
    expect(backoffMs(3, () => 1)).toBe(4_000);
  });
});

describe(jobIdOf.name, () => {
  it('is the same for the same work, and only then', () => {
    expect(jobIdOf({ name: 'delete_files', mediaFileId: 'a' })).toBe('delete_files:a');
    expect(jobIdOf({ name: 'generate_thumbnails', mediaFileId: 'a' })).toBe('generate_thumbnails:a');
  });
});
