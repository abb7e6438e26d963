/** Makers of GIFs that are small to send and would be large to open. */

export interface GifFrames {
  readonly canvas: readonly [width: number, height: number];
  readonly frame: readonly [width: number, height: number];
  readonly count: number;
  /** Whether each frame has data for all of its pixels, or only for one. */
  readonly filled: boolean;
}

export function gifOfFrames({ canvas, frame, count, filled }: GifFrames): Buffer {
  const head = Buffer.from('GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff', 'latin1');
  head.writeUInt16LE(canvas[0], 6);
  head.writeUInt16LE(canvas[1], 8);
  const descriptor = Buffer.from(',\0\0\0\0\0\0\0\0\0', 'latin1');
  descriptor.writeUInt16LE(frame[0], 5);
  descriptor.writeUInt16LE(frame[1], 7);
  const data = filled ? lzwOfZeros(frame[0] * frame[1]) : Buffer.from([2, 2, 0x44, 1, 0]);
  return Buffer.concat([
    head,
    ...Array.from({ length: count }, () => [descriptor, data]).flat(),
    Buffer.from(';'),
  ]);
}

const MIN_CODE_BITS = 2;
const CLEAR = 1 << MIN_CODE_BITS;
const LAST_CODE = 4095;

/**
 * Picture data of zeros in as few bytes as LZW can: every code stands for one zero more than the one before it, up to
 * some four thousand.
 */
function lzwOfZeros(pixels: number): Buffer {
  const bytes: number[] = [];
  let [current, used, width, next, run, left] = [0, 0, MIN_CODE_BITS + 1, CLEAR + 2, 1, pixels];
  const write = (code: number) => {
    current |= code << used;
    used += width;
    for (; used >= 8; used -= 8, current >>>= 8) {
      bytes.push(current & 0xff);
    }
  };
  write(CLEAR);
  write(0);
  left -= 1;
  while (left > 0) {
    // The code that comes into being with it: all the last one stood for, and its first pixel again.
    const code = next;
    run += 1;
    write(code);
    left -= run;
    next += 1;
    width = Math.min(12, Math.max(width, next.toString(2).length));
    if (next > LAST_CODE) {
      write(CLEAR);
      [width, next, run] = [MIN_CODE_BITS + 1, CLEAR + 2, 1];
      write(0);
      left -= 1;
    }
  }
  write(CLEAR + 1);
  bytes.push(current & 0xff);
  return Buffer.concat([Buffer.from([MIN_CODE_BITS]), ...subBlocks(Buffer.from(bytes)), Buffer.from([0])]);
}

function subBlocks(data: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(data.length / 255) }, (_, index) => {
    const block = data.subarray(index * 255, (index + 1) * 255);
    return Buffer.concat([Buffer.from([block.length]), block]);
  });
}
