import { afterEach, describe, expect, it, vi } from 'vitest';
import { validate, version } from 'uuid';
import { newId } from './new-id.js';

describe(newId.name, () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('makes UUIDs of version 7, each of them once', () => {
    const ids = Array.from({ length: 10_000 }, newId);

    expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('makes them in their order, also within a millisecond and when the clock is set back', () => {
    vi.useFakeTimers({ now: Date.now() + 1_000 });
    const within = Array.from({ length: 1_000 }, newId);
    vi.setSystemTime(Date.now() - 500);
    const setBack = Array.from({ length: 1_000 }, newId);

    const ids = [...within, ...setBack];

    expect(ids.toSorted()).toEqual(ids);
  });

  it('says when', () => {
    vi.useFakeTimers({ now: Date.now() + 10_000 });

    expect(Number.parseInt(newId().replace('-', '').slice(0, 12), 16)).toBe(Date.now());
  });

  it('leaves nothing to guess: two of one millisecond differ in their random part', () => {
    vi.useFakeTimers({ now: Date.now() + 20_000 });
    const parts = Array.from({ length: 1_000 }, () => newId().slice(-12));

    expect(new Set(parts).size).toBe(parts.length);
  });
});
