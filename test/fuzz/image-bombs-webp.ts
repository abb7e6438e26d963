import { riffChunk, webpFile } from './image-blocks.js';

/** Makers of WebPs that are small to send and would be large to open. Bits as in the "WebP Lossless Bitstream". */

class BitWriter {
  private readonly bytes: number[] = [];
  private current = 0;
  private used = 0;

  /** The lowest bit first. */
  write(value: number, bits: number): void {
    for (let bit = 0; bit < bits; bit += 1) {
      this.current |= ((value >>> bit) & 1) << this.used;
      this.used += 1;
      if (this.used === 8) {
        this.bytes.push(this.current);
        this.current = 0;
        this.used = 0;
      }
    }
  }

  finish(): Buffer {
    return Buffer.from(this.used === 0 ? this.bytes : [...this.bytes, this.current]);
  }
}

/** A code of one symbol, which takes no bits to say: a whole picture of it has no data. */
function writeConstant(bits: BitWriter): void {
  bits.write(0b0001, 4);
}

const CODE_LENGTH_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8];

/** A code that says each of the first 256 symbols in 8 bits. */
function writeFlat(bits: BitWriter, symbols: number): void {
  bits.write(0, 1);
  bits.write(CODE_LENGTH_ORDER.length - 4, 4);
  for (const length of CODE_LENGTH_ORDER) {
    bits.write(length === 0 || length === 8 ? 1 : 0, 3);
  }
  bits.write(0, 1);
  for (let symbol = 0; symbol < symbols; symbol += 1) {
    bits.write(symbol < 256 ? 1 : 0, 1);
  }
}

const CODES_PER_GROUP = 5;
const GREEN_SYMBOLS = 280;

function header(width: number, height: number): BitWriter {
  const bits = new BitWriter();
  bits.write(0x2f, 8);
  bits.write(width - 1, 14);
  bits.write(height - 1, 14);
  // No alpha; version 0; no transform; no colour cache.
  bits.write(0, 1 + 3 + 1 + 1);
  return bits;
}

/** The chunk of a picture of one colour, whatever its size: some twenty bytes. */
function plainChunk(width: number, height: number): Buffer {
  const bits = header(width, height);
  bits.write(0, 1);
  for (let code = 0; code < CODES_PER_GROUP; code += 1) {
    writeConstant(bits);
  }
  return riffChunk('VP8L', Buffer.concat([bits.finish(), Buffer.alloc(8)]));
}

export function plainLosslessWebp(width: number, height: number): Buffer {
  return webpFile(plainChunk(width, height));
}

/**
 * A picture of 1,024 × 1,024 in which every tile of 4 × 4 pixels has code tables of its own, 65,536 sets in all. Each is
 * said in 20 bits and takes 5 kB in a decoder.
 */
export function webpWithCodeTables(): Buffer {
  const side = 1_024;
  const groups = (side / 4) ** 2;
  const bits = header(side, side);
  bits.write(1, 1);
  bits.write(0, 3);
  bits.write(0, 1);
  writeFlat(bits, GREEN_SYMBOLS);
  writeFlat(bits, 256);
  for (let code = 2; code < CODES_PER_GROUP; code += 1) {
    writeConstant(bits);
  }
  for (let group = 0; group < groups; group += 1) {
    bits.write(reversed(group & 0xff), 8);
    bits.write(reversed(group >> 8), 8);
  }
  for (let code = 0; code < groups * CODES_PER_GROUP; code += 1) {
    writeConstant(bits);
  }
  return webpFile(riffChunk('VP8L', Buffer.concat([bits.finish(), Buffer.alloc(8)])));
}

/** Codes are written from their highest bit. */
function reversed(byte: number): number {
  return Number.parseInt(byte.toString(2).padStart(8, '0').split('').toReversed().join(''), 2);
}

function canvas(width: number, height: number, flags: number): Buffer {
  const data = Buffer.alloc(10);
  data[0] = flags;
  data.writeUIntLE(width - 1, 4, 3);
  data.writeUIntLE(height - 1, 7, 3);
  return riffChunk('VP8X', data);
}

export interface WebpFrames {
  readonly canvas: readonly [width: number, height: number];
  /** What each frame says it measures, and what its data says. */
  readonly declared: readonly [width: number, height: number];
  readonly coded: readonly [width: number, height: number];
  readonly count: number;
}

/** Frames lie two pixels off the corner of the canvas, so that a decoder needs both. */
export function webpOfFrames(frames: WebpFrames): Buffer {
  const head = Buffer.alloc(16);
  head.writeUIntLE(1, 0, 3);
  head.writeUIntLE(1, 3, 3);
  head.writeUIntLE(frames.declared[0] - 1, 6, 3);
  head.writeUIntLE(frames.declared[1] - 1, 9, 3);
  const frame = riffChunk('ANMF', Buffer.concat([head, plainChunk(...frames.coded)]));
  return webpFile(
    canvas(...frames.canvas, 0x02),
    riffChunk('ANIM', Buffer.alloc(6)),
    ...Array.from({ length: frames.count }, () => frame),
  );
}

const FLAGS = { ICCP: 0x20, EXIF: 0x08 } as const;

/** A small picture with large company. */
export function webpWith(type: 'ICCP' | 'EXIF', data: Buffer): Buffer {
  const picture = plainChunk(64, 64);
  const company = riffChunk(type, data);
  const chunks = type === 'ICCP' ? [company, picture] : [picture, company];
  return webpFile(canvas(64, 64, FLAGS[type]), ...chunks);
}

/** A lossy picture that claims to be this large (16,383 at most), and is 16 × 16. */
export function lossyWebpBomb(lossy: Buffer, width: number, height: number): Buffer {
  const bytes = Buffer.from(lossy);
  const size = bytes.indexOf(Buffer.from([0x9d, 0x01, 0x2a])) + 3;
  bytes.writeUInt16LE(width, size);
  bytes.writeUInt16LE(height, size + 2);
  return bytes;
}
