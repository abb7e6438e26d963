import { describe, expect, it } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { ProblemError } from '../common/problem.js';
import { decodeCursor, encodeCursor } from './cursor.js';

describe('cursor', () => {
  const position = { createdAtMicros: 1_795_359_931_123_456n, id: uuidv7() };

  it('gives back the position to the microsecond', () => {
    expect(decodeCursor(encodeCursor(position))).toEqual(position);
  });

  it('keeps two positions within the same millisecond apart', () => {
    const later = { ...position, createdAtMicros: position.createdAtMicros + 1n };
    expect(encodeCursor(later)).not.toBe(encodeCursor(position));
  });

  const good = encodeCursor(position);
  it.each([
    ['nothing', ''],
    ['words', 'not-a-cursor'],
    ['a cursor that was cut', good.slice(0, -4)],
    ['a cursor with something behind it', `${good}AAAA`],
    ['a cursor with a changed character', `${good.startsWith('A') ? 'B' : 'A'}${good.slice(1)}`],
    ['a cursor with a changed id', `${good.slice(0, 20)}${good[20] === 'A' ? 'B' : 'A'}${good.slice(21)}`],
    ['forty other characters', 'A'.repeat(40)],
    ['Base64 of another alphabet', good.replaceAll(/[\w-]/g, '+')],
  ])('refuses %s instead of starting over', (_what, cursor) => {
    expect(() => decodeCursor(cursor)).toThrow(ProblemError);
  });
});
