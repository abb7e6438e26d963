import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import { PNG_SIGNATURE, pngChunk } from './image-blocks.js';

/** Makers of PNGs that are small to send and would be large to open. */

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly bits?: 8 | 16;
  /** 0 grey, 2 colour, 6 colour with alpha. */
  readonly colour?: 0 | 2 | 6;
  readonly interlaced?: boolean;
}

const CHANNELS = { 0: 1, 2: 3, 6: 4 } as const;

/** A black PNG whose picture data unpacks to `bytes`; by default to what the header asks for, and a little more. */
export function blackPng(header: PngHeader, extra: readonly Buffer[] = [], bytes = rawBytes(header)): Buffer {
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk('IHDR', headerData(header)),
    ...extra,
    pngChunk('IDAT', deflatedZeros(bytes)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function headerData({ width, height, bits = 8, colour = 2, interlaced = false }: PngHeader): Buffer {
  const data = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, bits, colour, 0, 0, interlaced ? 1 : 0]);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  return data;
}

/** Each row has a byte more, and an interlaced PNG has up to two rows for one. */
function rawBytes({ width, height, bits = 8, colour = 2 }: PngHeader): number {
  return height * (width * CHANNELS[colour] * (bits / 8) + 2);
}

const PIECE_BYTES = 1_000_000;

/** What deflate makes of that many zeros, without ever having them: one piece over and over again. */
export function deflatedZeros(bytes: number): Buffer {
  const piece = deflateRawSync(Buffer.alloc(PIECE_BYTES), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const pieces = Array.from({ length: Math.floor(bytes / PIECE_BYTES) }, () => piece);
  const last = deflateRawSync(Buffer.alloc(bytes % PIECE_BYTES), { level: 9 });
  const adler = Buffer.alloc(4);
  adler.writeUInt16BE(bytes % 65_521, 0);
  adler.writeUInt16BE(1, 2);
  return Buffer.concat([Buffer.from([0x78, 0xda]), ...pieces, last, adler]);
}

/** The most that libpng unpacks for one chunk. */
const CHUNK_LIMIT = 7_900_000;

/** Texts that each unpack to all that a chunk may. */
export function textBombs(count: number): Buffer[] {
  const packed = deflateSync(Buffer.alloc(CHUNK_LIMIT, 'x'), { level: 9 });
  return Array.from({ length: count }, (_, index) =>
    pngChunk('zTXt', Buffer.concat([Buffer.from(`Comment ${index}\0\0`, 'latin1'), packed])),
  );
}

export function internationalTextBomb(bytes: number): Buffer {
  const head = Buffer.from('XML:com.adobe.xmp\0\x01\0\0\0', 'latin1');
  return pngChunk('iTXt', Buffer.concat([head, deflatedZeros(bytes)]));
}

/** Profiles of this size; every one of them is well-formed as far as its head goes. */
export function profileBombs(count: number, bytes = CHUNK_LIMIT): Buffer[] {
  const packed = deflateSync(profileHead(bytes), { level: 9 });
  const chunk = pngChunk('iCCP', Buffer.concat([Buffer.from('icc\0\0', 'latin1'), packed]));
  return Array.from({ length: count }, () => chunk);
}

/** A profile that claims `declared` bytes, and has as many unless told otherwise. ICC.1:2022, 7.2. */
export function profileHead(declared: number, bytes = declared): Buffer {
  const profile = Buffer.alloc(bytes);
  profile.writeUInt32BE(declared, 0);
  profile.writeUInt32BE(0x04000000, 8);
  profile.write('mntrRGB XYZ ', 12, 'latin1');
  profile.write('acsp', 36, 'latin1');
  for (const [index, value] of [0xf6d6, 0x10000, 0xd32d].entries()) {
    profile.writeUInt32BE(value, 68 + index * 4);
  }
  // As many tags as fit into a number, and none of them there.
  profile.writeUInt32BE(0xffff_ffff, 128);
  return profile;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An APNG that announces this many frames, and has them: a control chunk and hardly any data for each. */
export function animatedPng(announced: number, frames: number): Buffer {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(announced, 0);
  const data = deflatedZeros(10);
  const frame = (index: number) => [
    pngChunk('fcTL', Buffer.concat([uint32(2 * index), uint32(64), Buffer.alloc(18)])),
    pngChunk('fdAT', Buffer.concat([uint32(2 * index + 1), data])),
  ];
  const animation = Array.from({ length: frames }, (_, index) => frame(index)).flat();
  return blackPng({ width: 64, height: 64 }, [pngChunk('acTL', control), ...animation]);
}
