import { crc32 } from 'node:zlib';
import type { ImageFormat } from '../../src/processing/image/image-format.js';

/**
 * Takes image files apart into what they are made of, and makes such parts. Works on damaged files as well: all
 * blocks of a file together are always the whole file.
 */

/** A chunk, a segment, a frame: whatever a format consists of, with its head and checksum. */
export interface Block {
  /** `IHDR`, `VP8X`, `image`, or a JPEG marker such as `c0`. */
  readonly name: string;
  readonly bytes: Buffer;
}

export const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

export function riffChunk(type: string, data: Buffer): Buffer {
  const head = Buffer.from(`${type}\0\0\0\0`, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

export function webpFile(...chunks: readonly Buffer[]): Buffer {
  return riffChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), ...chunks]));
}

export function jpegSegment(marker: number, data: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(data.length + 2, 2);
  return Buffer.concat([head, data]);
}

export function join(blocks: readonly Block[]): Buffer {
  return Buffer.concat(blocks.map(({ bytes }) => bytes));
}

export function split(bytes: Buffer, format: ImageFormat): Block[] {
  return SPLITTERS[format](bytes).filter((block) => block.bytes.length > 0);
}

const SPLITTERS: Readonly<Record<ImageFormat, (bytes: Buffer) => Block[]>> = {
  jpeg: splitJpeg,
  png: splitPng,
  gif: splitGif,
  webp: splitWebp,
};

function splitPng(bytes: Buffer): Block[] {
  const blocks = [{ name: 'signature', bytes: bytes.subarray(0, 8) }];
  let offset = 8;
  while (offset + 12 <= bytes.length) {
    const end = Math.min(bytes.length, offset + 12 + bytes.readUInt32BE(offset));
    blocks.push({
      name: bytes.toString('latin1', offset + 4, offset + 8),
      bytes: bytes.subarray(offset, end),
    });
    offset = end;
  }
  return [...blocks, { name: 'rest', bytes: bytes.subarray(offset) }];
}

function splitWebp(bytes: Buffer): Block[] {
  const blocks = [{ name: 'RIFF', bytes: bytes.subarray(0, 12) }];
  let offset = 12;
  while (offset + 8 <= bytes.length) {
    const size = bytes.readUInt32LE(offset + 4);
    const end = Math.min(bytes.length, offset + 8 + size + (size % 2));
    blocks.push({ name: bytes.toString('latin1', offset, offset + 4), bytes: bytes.subarray(offset, end) });
    offset = end;
  }
  return [...blocks, { name: 'rest', bytes: bytes.subarray(offset) }];
}

/** The coded data behind a start of scan is a block of its own, with the restart markers in it. */
function splitJpeg(bytes: Buffer): Block[] {
  const blocks: Block[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const marker = bytes[offset] === 0xff ? (bytes[offset + 1] ?? 0) : 0;
    const end = isMarker(marker) ? endOfSegment(bytes, offset, marker) : nextMarker(bytes, offset + 1);
    const name = isMarker(marker) ? marker.toString(16) : 'data';
    blocks.push({ name, bytes: bytes.subarray(offset, end) });
    offset = end;
  }
  return blocks;
}

function isMarker(marker: number): boolean {
  return marker >= 0xc0 && marker < 0xff && !(marker >= 0xd0 && marker <= 0xd7);
}

function endOfSegment(bytes: Buffer, offset: number, marker: number): number {
  const length =
    marker === 0xd8 || marker === 0xd9 || offset + 4 > bytes.length ? 0 : bytes.readUInt16BE(offset + 2);
  return Math.min(bytes.length, offset + 2 + length);
}

function nextMarker(bytes: Buffer, from: number): number {
  for (let offset = bytes.indexOf(0xff, from); offset !== -1; offset = bytes.indexOf(0xff, offset + 1)) {
    if (isMarker(bytes[offset + 1] ?? 0)) {
      return offset;
    }
  }
  return bytes.length;
}

function splitGif(bytes: Buffer): Block[] {
  const start = Math.min(bytes.length, 13 + colourTableBytes(bytes[10]));
  const blocks = [{ name: 'header', bytes: bytes.subarray(0, start) }];
  let offset = start;
  while (offset < bytes.length) {
    const introducer = bytes[offset];
    if (introducer !== 0x21 && introducer !== 0x2c) {
      break;
    }
    const head = introducer === 0x21 ? 2 : 11 + colourTableBytes(bytes[offset + 9]);
    const end = afterSubBlocks(bytes, offset + head);
    blocks.push({ name: introducer === 0x21 ? 'extension' : 'image', bytes: bytes.subarray(offset, end) });
    offset = end;
  }
  return [...blocks, { name: 'trailer', bytes: bytes.subarray(offset) }];
}

function colourTableBytes(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 0x07) + 1);
}

function afterSubBlocks(bytes: Buffer, from: number): number {
  let offset = from;
  while (offset < bytes.length) {
    const size = bytes[offset] ?? 0;
    offset += 1 + size;
    if (size === 0) {
      break;
    }
  }
  return Math.min(bytes.length, offset);
}

/** Makes right what a reader checks before it looks any further: PNG's checksums, the length in a WebP's head. */
export function withSums(bytes: Buffer, format: ImageFormat): Buffer {
  const fixed = Buffer.from(bytes);
  if (format === 'webp' && fixed.length >= 8) {
    fixed.writeUInt32LE(fixed.length - 8, 4);
  }
  if (format === 'png') {
    for (const { name, bytes: chunk } of split(fixed, 'png')) {
      if (name !== 'signature' && name !== 'rest') {
        chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
      }
    }
  }
  return fixed;
}
