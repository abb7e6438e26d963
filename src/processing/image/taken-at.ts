import { TiffReader } from './tiff-reader.js';

/** Tags of EXIF 2.32. A date is local time; its offset from UTC, if known, stands in a tag of its own. */
const EXIF_DIRECTORY = 0x8769;
const DATE_TAGS = [
  // DateTimeOriginal: when the shutter opened.
  { date: 0x9003, offset: 0x9011 },
  // DateTimeDigitized: the same for a camera, the scan for a print. (DateTime is when somebody last edited it.)
  { date: 0x9004, offset: 0x9012 },
] as const;

const MAX_TEXT = 32;
const DATE_PATTERN = /^(\d{4}):(\d{2}):(\d{2}) (\d{2}):(\d{2}):(\d{2})$/;
const OFFSET_PATTERN = /^([+-])(0\d|1[0-4]):([0-5]\d)$/;
const EARLIEST_YEAR = 1900;
const MINUTE_MS = 60_000;
/** No time zone and no sane clock is further ahead. */
const CLOCK_TOLERANCE_MS = 24 * 60 * MINUTE_MS;

/**
 * When a photo was taken, as ISO 8601 in UTC; null when it does not say, or says nonsense. A time without an
 * offset is taken as UTC. Never throws.
 *
 * Reads these few tags and nothing else, because EXIF comes from strangers: a reader that materialises every tag
 * spends seconds and a gigabyte on 64 kB of overlapping arrays.
 */
export function takenAtFrom(exif: Buffer | undefined, now = new Date()): string | null {
  const tiff = exif === undefined ? null : TiffReader.open(exif);
  const directory = tiff?.pointer(tiff.firstDirectory, EXIF_DIRECTORY) ?? null;
  if (tiff === null || directory === null) {
    return null;
  }
  for (const { date, offset } of DATE_TAGS) {
    const local = parseDate(tiff.text(directory, date, MAX_TEXT));
    if (local !== null) {
      const time = local - parseOffset(tiff.text(directory, offset, MAX_TEXT));
      return time <= now.getTime() + CLOCK_TOLERANCE_MS ? new Date(time).toISOString() : null;
    }
  }
  return null;
}

/** Milliseconds since 1970 if it were UTC; null for dates no calendar has, and for the zeros of an unset clock. */
function parseDate(text: string | null): number | null {
  const fields = DATE_PATTERN.exec(text ?? '');
  if (fields === null) {
    return null;
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields.slice(1).map(Number);
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(time);
  const rolledOver =
    date.getUTCMonth() !== month - 1 ||
    date.getUTCDate() !== day ||
    date.getUTCHours() !== hour ||
    date.getUTCMinutes() !== minute;
  return year < EARLIEST_YEAR || rolledOver ? null : time;
}

/** Milliseconds east of UTC. */
function parseOffset(text: string | null): number {
  const [, sign, hours, minutes] = OFFSET_PATTERN.exec(text ?? '') ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * MINUTE_MS;
}
