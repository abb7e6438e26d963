import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/images.js';
import { takenAtFrom } from './taken-at.js';

const ORIGINAL = 0x9003;
const DIGITIZED = 0x9004;
const OFFSET_ORIGINAL = 0x9011;
const OFFSET_DIGITIZED = 0x9012;

/** EXIF with the given text tags in its Exif directory, in either byte order. */
function exif(tags: Record<number, string>, bigEndian = false): Buffer {
  const bytes = Buffer.alloc(512);
  const uint16 = (value: number, at: number) =>
    bigEndian ? bytes.writeUInt16BE(value, at) : bytes.writeUInt16LE(value, at);
  const uint32 = (value: number, at: number) =>
    bigEndian ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  const entry = (at: number, tag: number, type: number, count: number, value: number) => {
    uint16(tag, at);
    uint16(type, at + 2);
    uint32(count, at + 4);
    uint32(value, at + 8);
  };
  bytes.write(bigEndian ? 'MM\0*' : 'II*\0', 'latin1');
  uint32(8, 4);
  uint16(1, 8);
  entry(10, 0x8769, 4, 1, 30);
  const entries = Object.entries(tags);
  uint16(entries.length, 30);
  let textAt = 200;
  for (const [index, [tag, text]] of entries.entries()) {
    entry(32 + index * 12, Number(tag), 2, text.length + 1, textAt);
    textAt += bytes.write(`${text}\0`, textAt, 'latin1');
  }
  return bytes;
}

describe(takenAtFrom.name, () => {
  it.each([false, true])(
    'reads the original date as UTC when there is no offset (big endian: %s)',
    (bigEndian) => {
      expect(takenAtFrom(exif({ [ORIGINAL]: '2023:07:01 12:34:56' }, bigEndian))).toBe(
        '2023-07-01T12:34:56.000Z',
      );
    },
  );

  it('applies the offset that belongs to the date', () => {
    const bytes = exif({
      [ORIGINAL]: '2023:01:01 00:30:00',
      [OFFSET_ORIGINAL]: '+05:45',
      [OFFSET_DIGITIZED]: '-08:00',
    });
    expect(takenAtFrom(bytes)).toBe('2022-12-31T18:45:00.000Z');
  });

  it('applies offsets west of Greenwich, and ignores malformed ones', () => {
    const taken = '2023:06:01 10:00:00';
    expect(takenAtFrom(exif({ [ORIGINAL]: taken, [OFFSET_ORIGINAL]: '-03:30' }))).toBe(
      '2023-06-01T13:30:00.000Z',
    );
    expect(takenAtFrom(exif({ [ORIGINAL]: taken, [OFFSET_ORIGINAL]: '+99:00' }))).toBe(
      '2023-06-01T10:00:00.000Z',
    );
  });

  it('falls back to the date of digitising when the original one is unset or missing', () => {
    const digitized = { [DIGITIZED]: '2010:02:03 04:05:06' };
    expect(takenAtFrom(exif(digitized))).toBe('2010-02-03T04:05:06.000Z');
    expect(takenAtFrom(exif({ [ORIGINAL]: '0000:00:00 00:00:00', ...digitized }))).toBe(
      '2010-02-03T04:05:06.000Z',
    );
  });

  it.each([
    '2023:02:30 10:00:00',
    '2023:13:01 10:00:00',
    '2023:01:01 25:00:00',
    '1066:10:14 09:00:00',
    '9999:01:01 00:00:00',
    '2023-01-01 10:00:00',
    '    :  :     :  :  ',
    '',
  ])('does not believe "%s"', (text) => {
    expect(takenAtFrom(exif({ [ORIGINAL]: text }))).toBeNull();
  });

  it('accepts the Exif prefix of a JPEG segment', () => {
    const bytes = Buffer.concat([
      Buffer.from('Exif\0\0', 'latin1'),
      exif({ [ORIGINAL]: '2020:02:29 01:02:03' }),
    ]);
    expect(takenAtFrom(bytes)).toBe('2020-02-29T01:02:03.000Z');
  });

  it('answers null for no EXIF, and for what is none', () => {
    expect(takenAtFrom(undefined)).toBeNull();
    expect(takenAtFrom(Buffer.alloc(0))).toBeNull();
    expect(takenAtFrom(Buffer.from('Exif\0\0II*\0', 'latin1'))).toBeNull();
    expect(takenAtFrom(Buffer.alloc(600, 0xff))).toBeNull();
  });

  it('survives every truncation and random damage without throwing', () => {
    const whole = exif({ [ORIGINAL]: '2020:02:29 01:02:03', [OFFSET_ORIGINAL]: '+01:00' });
    for (let length = 0; length <= whole.length; length += 1) {
      expect(() => takenAtFrom(whole.subarray(0, length))).not.toThrow();
    }
    const random = seededRandom(7);
    for (let round = 0; round < 500; round += 1) {
      const damaged = Buffer.from(whole);
      for (let hit = 0; hit < 6; hit += 1) {
        damaged[Math.floor(random() * 120)] = Math.floor(random() * 256);
      }
      expect(() => takenAtFrom(damaged)).not.toThrow();
    }
  });
});
