import type { ImageFormat } from './image-format.js';

/** What the skeleton of a file tells before any decoder has seen it. */
export interface FileStructure {
  /** The format's own end marker is there, so nothing was cut off. What follows it is nobody's business. */
  readonly complete: boolean;
  /** Pictures in the file; at least 1. */
  readonly frames: number;
  /** The size a PNG declares, in pixels, or the canvas of a GIF or an extended WebP: its frames may be smaller. */
  readonly canvas: { readonly width: number; readonly height: number } | null;
  /** Passes over the whole picture that a JPEG decoder must make; 1 for the other formats. */
  readonly scans: number;
  /** Frames of a WebP are pieces that its decoder puts together on a canvas; always false for the other formats. */
  readonly composed: boolean;
  /** The largest piece of a WebP with lossless data, be it colours or only alpha: its code tables may be huge. */
  readonly losslessBytes: number;
}

/** What is true of a file until its blocks say otherwise. */
const PLAIN: FileStructure = {
  complete: false,
  frames: 1,
  canvas: null,
  scans: 1,
  composed: false,
  losslessBytes: 0,
};

/**
 * Walks the blocks of a file without decoding any: linear in its length, never out of bounds, no allocations.
 *
 * It exists for what the decoders do not notice (a PNG without IEND, an animation cut between or within later
 * frames) and for what they notice too late: libvips needs half a minute to *open* a WebP with 100,000 frames,
 * and libjpeg a minute for a JPEG of 900 kB with 2,000 scans, during which no time-out can stop it.
 */
export function inspectStructure(bytes: Buffer, format: ImageFormat): FileStructure {
  return INSPECTORS[format](bytes);
}

const INSPECTORS: Readonly<Record<ImageFormat, (bytes: Buffer) => FileStructure>> = {
  jpeg: inspectJpeg,
  png: inspectPng,
  gif: inspectGif,
  webp: inspectWebp,
};

const JPEG_START_OF_SCAN = 0xda;
const JPEG_END_OF_IMAGE = 0xd9;

/**
 * Up to the end marker of the *first* picture: phones append further pictures, depth maps, whole videos.
 * Markers inside segments (an embedded preview has its own end marker) are jumped over by the segments' lengths.
 */
function inspectJpeg(bytes: Buffer): FileStructure {
  let scans = 0;
  let complete = false;
  let offset = bytes.indexOf(0xff, 2);
  while (offset !== -1 && offset + 1 < bytes.length && !complete) {
    const marker = bytes[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    complete = marker === JPEG_END_OF_IMAGE;
    scans += marker === JPEG_START_OF_SCAN ? 1 : 0;
    offset = bytes.indexOf(0xff, offset + 2 + jpegSegmentBytes(bytes, marker, offset + 2));
  }
  return { ...PLAIN, complete, scans };
}

/** A stuffed zero, the restart markers and the start and end of an image stand alone. ITU-T T.81, B.1.1.3. */
function jpegSegmentBytes(bytes: Buffer, marker: number, offset: number): number {
  const standsAlone = marker < 0xc0 || (marker >= 0xd0 && marker <= JPEG_END_OF_IMAGE);
  return standsAlone || offset + 2 > bytes.length ? 0 : bytes.readUInt16BE(offset);
}

const PNG_SIGNATURE_BYTES = 8;
/** Length, type and checksum around a chunk's data. */
const PNG_CHUNK_OVERHEAD = 12;
const PNG_END = 0x49454e44;

function inspectPng(bytes: Buffer): FileStructure {
  let complete = false;
  let offset = PNG_SIGNATURE_BYTES;
  while (offset + PNG_CHUNK_OVERHEAD <= bytes.length && !complete) {
    const end = offset + PNG_CHUNK_OVERHEAD + bytes.readUInt32BE(offset);
    complete = bytes.readUInt32BE(offset + 4) === PNG_END && end <= bytes.length;
    offset = end;
  }
  return { ...PLAIN, complete, canvas: pngSize(bytes) };
}

/** Its place is fixed: the header is the first chunk. */
function pngSize(bytes: Buffer): FileStructure['canvas'] {
  return bytes.length < PNG_SIGNATURE_BYTES + 16
    ? null
    : { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

const GIF_HEADER_BYTES = 13;
const GIF_IMAGE = 0x2c;
const GIF_EXTENSION = 0x21;

/**
 * The trailer is required: nothing else tells a whole animation from one that was cut between two frames. Any byte
 * that begins no block is taken for it, as browsers do; only zeros between blocks are padding.
 */
function inspectGif(bytes: Buffer): FileStructure {
  if (bytes.length < GIF_HEADER_BYTES) {
    return PLAIN;
  }
  const canvas = { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
  let frames = 0;
  let offset = GIF_HEADER_BYTES + gifColourTableBytes(bytes[10]);
  while (offset < bytes.length) {
    const introducer = bytes[offset];
    if (introducer === GIF_IMAGE) {
      frames += 1;
      offset = afterGifSubBlocks(bytes, offset + 11 + gifColourTableBytes(bytes[offset + 9]));
    } else if (introducer === GIF_EXTENSION) {
      offset = afterGifSubBlocks(bytes, offset + 2);
    } else if (introducer === 0) {
      offset += 1;
    } else {
      return { ...PLAIN, complete: true, frames: Math.max(1, frames), canvas };
    }
  }
  return { ...PLAIN, frames: Math.max(1, frames), canvas };
}

function gifColourTableBytes(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 0x07) + 1);
}

/** The offset behind the empty block that ends a chain of sub-blocks; past the end of the file when it is missing. */
function afterGifSubBlocks(bytes: Buffer, start: number): number {
  let offset = start;
  while (offset < bytes.length) {
    const size = bytes[offset] ?? 0;
    offset += 1 + size;
    if (size === 0) {
      return offset;
    }
  }
  return bytes.length;
}

const RIFF_HEADER_BYTES = 12;
const RIFF_CHUNK_HEADER_BYTES = 8;
const WEBP_EXTENDED = 0x56503858;
const WEBP_EXTENDED_BYTES = 10;
const WEBP_FRAME = 0x414e4d46;
const WEBP_FRAME_HEADER_BYTES = 16;
const WEBP_LOSSY = 0x56503820;
const WEBP_LOSSLESS = 0x5650384c;
const WEBP_ALPHA = 0x414c5048;

function inspectWebp(bytes: Buffer): FileStructure {
  const declaredEnd = 8 + bytes.readUInt32LE(4);
  const end = Math.min(declaredEnd, bytes.length);
  let frames = 0;
  let canvas: FileStructure['canvas'] = null;
  let losslessBytes = 0;
  let offset = RIFF_HEADER_BYTES;
  while (offset + RIFF_CHUNK_HEADER_BYTES <= end) {
    const type = bytes.readUInt32BE(offset);
    const size = bytes.readUInt32LE(offset + 4);
    const data = offset + RIFF_CHUNK_HEADER_BYTES;
    if (type === WEBP_EXTENDED && data + WEBP_EXTENDED_BYTES <= end) {
      canvas = { width: bytes.readUIntLE(data + 4, 3) + 1, height: bytes.readUIntLE(data + 7, 3) + 1 };
    }
    frames += type === WEBP_FRAME ? 1 : 0;
    if (mayBeLossless(bytes, type, data)) {
      losslessBytes = Math.max(losslessBytes, Math.min(size, bytes.length));
    }
    offset = data + size + (size % 2);
  }
  const complete = declaredEnd <= bytes.length;
  return { ...PLAIN, complete, frames: Math.max(1, frames), canvas, composed: frames > 0, losslessBytes };
}

/** A frame that begins with lossy data has no alpha, which would have to come before; any other may be lossless. */
function mayBeLossless(bytes: Buffer, type: number, data: number): boolean {
  const picture = data + WEBP_FRAME_HEADER_BYTES;
  return type === WEBP_FRAME
    ? picture + 4 > bytes.length || bytes.readUInt32BE(picture) !== WEBP_LOSSY
    : type === WEBP_LOSSLESS || type === WEBP_ALPHA;
}
