import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { jpegSegment, join, split } from './image-blocks.js';

/** Makers of JPEGs, and of EXIF for all formats, that cost more to read than to send. */

/** A grey 16 × 16 baseline JPEG as blocks. */
async function greyBlocks() {
  const pixels = Buffer.alloc(256, 0x77);
  const jpeg = await sharp(pixels, { raw: { width: 16, height: 16, channels: 1 } })
    .toColourspace('b-w')
    .jpeg({ optimiseCoding: false })
    .toBuffer();
  return split(jpeg, 'jpeg');
}

export interface JpegFrame {
  readonly width: number;
  readonly height: number;
  readonly components: 1 | 3 | 4;
  /** One after the other over the components, over and over; each with the data of 16 × 16 pixels. */
  readonly scans: number;
  /** Between scans. */
  readonly filling?: Buffer;
}

/** A baseline JPEG in separate scans: its decoder must hold all coefficients of the declared size at once. */
export async function jpegInScans(frame: JpegFrame): Promise<Buffer> {
  const blocks = await greyBlocks();
  const data = blocks.find(({ name }) => name === 'data')?.bytes ?? Buffer.alloc(0);
  const size = Buffer.from([8, 0, 0, 0, 0, frame.components]);
  size.writeUInt16BE(frame.height, 1);
  size.writeUInt16BE(frame.width, 3);
  const components = Array.from({ length: frame.components }, (_, index) => [index + 1, 0x11, 0]);
  const scans = Array.from({ length: frame.scans }, (_, index) => [
    jpegSegment(0xda, Buffer.from([1, (index % frame.components) + 1, 0, 0, 63, 0])),
    data,
    frame.filling ?? Buffer.alloc(0),
  ]);
  return Buffer.concat(
    blocks.flatMap(({ name, bytes }) => {
      if (name === 'c0') {
        return [jpegSegment(0xc0, Buffer.concat([size, Buffer.from(components.flat())]))];
      }
      return name === 'da' ? scans.flat() : name === 'data' ? [] : [bytes];
    }),
  );
}

/** A JPEG whose scans after the first one each add a bit of one frequency of each of its 8 × 8 blocks: all zero. */
export async function progressiveInScans(side: number, scans: number): Promise<Buffer> {
  const blocks = split(
    await sharp({ create: { width: side, height: side, channels: 3, background: '#777' } })
      .toColourspace('b-w')
      .jpeg({ progressive: true })
      .toBuffer(),
    'jpeg',
  );
  const first = blocks.findIndex(({ name }) => name === 'data');
  const second = blocks.findIndex(({ name }, index) => index > first && name === 'data');
  const more = Array.from({ length: scans - 1 }, (_, index) => {
    const [frequency, bit] = [1 + (index % 63), 13 - Math.floor(index / 63)];
    const scan = Buffer.from(join(blocks.slice(first + 1, second + 1)));
    const parameters = scan.indexOf(Buffer.from([0xff, 0xda])) + 7;
    scan.set([frequency, frequency, bit === 13 ? bit : ((bit + 1) << 4) | bit], parameters);
    return scan;
  });
  return Buffer.concat([join(blocks.slice(0, first + 1)), ...more, Buffer.from([0xff, 0xd9])]);
}

/** More segments right after the start of a small JPEG. */
export async function jpegWithSegments(segments: readonly Buffer[]): Promise<Buffer> {
  const [start, ...others] = await greyBlocks();
  return Buffer.concat([start?.bytes ?? Buffer.alloc(0), ...segments, join(others)]);
}

const ICC_HEAD = Buffer.from('ICC_PROFILE\0', 'latin1');
const ICC_PART_BYTES = 65_000;

/** A profile in as many segments as it takes, each with its number and their count. */
export function profileSegments(profile: Buffer): Buffer[] {
  const count = Math.ceil(profile.length / ICC_PART_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const part = profile.subarray(index * ICC_PART_BYTES, (index + 1) * ICC_PART_BYTES);
    return jpegSegment(0xe2, Buffer.concat([ICC_HEAD, Buffer.from([index + 1, count]), part]));
  });
}

export function exifSegment(exif: Buffer): Buffer {
  return jpegSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), exif]));
}

const EXIF_POINTERS = [0x8769, 0x8825, 0xa005];
const DIRECTORY_BYTES = 2 + 3 * 12 + 4;

/** Directories that each point to the next one by every kind of pointer there is; the last one to the first. */
export function cyclicExif(directories: number): Buffer {
  const exif = Buffer.alloc(8 + directories * DIRECTORY_BYTES);
  exif.write('II*\0\x08\0\0\0', 'latin1');
  for (let index = 0; index < directories; index += 1) {
    const at = 8 + index * DIRECTORY_BYTES;
    const next = 8 + ((index + 1) % directories) * DIRECTORY_BYTES;
    exif.writeUInt16LE(EXIF_POINTERS.length, at);
    for (const [entry, tag] of EXIF_POINTERS.entries()) {
      writeEntry(exif, at + 2 + entry * 12, tag, 4, 1, next);
    }
    exif.writeUInt32LE(next, at + DIRECTORY_BYTES - 4);
  }
  return exif;
}

const IMAGE_DESCRIPTION = 0x010e;

/** The same long text as often as there is room for entries: what is read without care is copied as often. */
export function overlappingExif(bytes: number, entries: number, count = bytes - 100): Buffer {
  const exif = Buffer.alloc(bytes, 'x');
  exif.write('II*\0\x08\0\0\0', 'latin1');
  exif.writeUInt16LE(entries, 8);
  for (let entry = 0; entry < entries; entry += 1) {
    writeEntry(exif, 10 + entry * 12, IMAGE_DESCRIPTION + (entry % 64), 2, count, 8);
  }
  return exif;
}

function writeEntry(exif: Buffer, at: number, tag: number, type: number, count: number, value: number): void {
  exif.writeUInt16LE(tag, at);
  exif.writeUInt16LE(type, at + 2);
  exif.writeUInt32LE(count, at + 4);
  exif.writeUInt32LE(value, at + 8);
}
