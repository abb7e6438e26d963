import { describe, expect, it } from 'vitest';
import { Deadline } from './deadline.js';
import { ProcessingTimeout } from './processing-fault.js';

describe(Deadline.name, () => {
  it('gives every step what is left of the time, in whole seconds', () => {
    expect(new Deadline(60).remainingSeconds()).toBe(60);
    expect(new Deadline(0.5).remainingSeconds()).toBe(1);
  });

  it('throws once there is nothing left', () => {
    expect(() => new Deadline(0).remainingSeconds()).toThrow(ProcessingTimeout);
  });

  it('never asks for more than an hour', () => {
    expect(new Deadline(100_000).remainingSeconds()).toBe(3_600);
  });
});
