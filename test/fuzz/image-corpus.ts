import { deflateSync } from 'node:zlib';
import type { ImageFormat } from '../../src/processing/image/image-format.js';
import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { photoPixels } from '../support/images.js';
import { join, jpegSegment, pngChunk, riffChunk, split } from './image-blocks.js';
import { Dice } from './image-dice.js';

/** A file as a client would upload it, before anything was done to it. */
export interface Original {
  readonly name: string;
  readonly format: ImageFormat;
  readonly bytes: Buffer;
}

interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly seed: number;
}

type Maker = (canvas: Canvas) => Promise<Buffer>;

function still({ width, height, seed }: Canvas, channels: 3 | 4 = 3) {
  return sharp(photoPixels(width, height, seed, channels), { raw: { width, height, channels } });
}

function animation({ width, height, seed }: Canvas, channels: 3 | 4 = 4, frames = 4) {
  const pixels = Buffer.concat(
    Array.from({ length: frames }, (_, frame) => photoPixels(width, height, seed + frame, channels)),
  );
  const raw = { width, height: height * frames, channels, pageHeight: height };
  return sharp(pixels, { raw });
}

const DELAY = { delay: [80, 80, 80, 80] };

/** All that a camera, and an editor after it, leaves in a file. */
function withMetadata(canvas: Canvas, channels: 3 | 4 = 3) {
  return still(canvas, channels)
    .withMetadata({ orientation: 1 + (canvas.seed % 8) })
    .withExifMerge({
      IFD0: { Make: 'Testcam', ImageDescription: 'Lindenweg 7' },
      IFD2: { DateTimeOriginal: '2024:05:17 08:30:15' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' },
    })
    .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
    .withIccProfile('p3');
}

/** A baseline JPEG whose components come one after the other, each in a scan of its own. */
async function jpegInSeparateScans(canvas: Canvas): Promise<Buffer> {
  const grey = await still(canvas).toColourspace('b-w').jpeg({ optimiseCoding: false }).toBuffer();
  const components = [1, 2, 3];
  const coded = split(grey, 'jpeg').find(({ name }) => name === 'data')?.bytes ?? Buffer.alloc(0);
  const scans = components.flatMap((id) => [
    jpegSegment(0xda, Buffer.from([1, id, 0, 0, 63, 0])),
    Buffer.from(coded),
  ]);
  return Buffer.concat(
    split(grey, 'jpeg').flatMap(({ name, bytes }) => {
      if (name === 'c0') {
        const frame = [...bytes.subarray(4, 9), 3, ...components.flatMap((id) => [id, 0x11, 0])];
        return [jpegSegment(0xc0, Buffer.from(frame))];
      }
      return name === 'da' ? scans : name === 'data' ? [] : [bytes];
    }),
  );
}

/** Two frames; for a decoder that knows nothing of animated PNGs, the first. */
async function animatedPng({ width, height, seed }: Canvas): Promise<Buffer> {
  const frames = [seed, seed + 1].map((each) => {
    const pixels = photoPixels(width, height, each, 4);
    const rows = Array.from({ length: height }, (_, row) => [
      Buffer.from([0]),
      pixels.subarray(row * width * 4, (row + 1) * width * 4),
    ]);
    return deflateSync(Buffer.concat(rows.flat()));
  });
  const control = (sequence: number) => {
    const data = Buffer.alloc(26);
    data.writeUInt32BE(sequence, 0);
    data.writeUInt32BE(width, 4);
    data.writeUInt32BE(height, 8);
    data.writeUInt16BE(1, 20);
    data.writeUInt16BE(10, 22);
    return pngChunk('fcTL', data);
  };
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = frames;
  const parts = split(await still({ width, height, seed }, 4).png().toBuffer(), 'png');
  const head = parts.filter(({ name }) => name === 'signature' || name === 'IHDR');
  return Buffer.concat([
    join(head),
    pngChunk('acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])),
    control(0),
    pngChunk('IDAT', first),
    control(1),
    pngChunk('fdAT', Buffer.concat([Buffer.from([0, 0, 0, 2]), second])),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** What other programs put into a PNG, an XMP block in a GIF: places where bytes can hide. */
async function pngWithTexts(canvas: Canvas): Promise<Buffer> {
  const texts = [
    pngChunk('tEXt', Buffer.from('Comment\0Lindenweg 7', 'latin1')),
    pngChunk('zTXt', Buffer.concat([Buffer.from('Raw\0\0', 'latin1'), deflateSync(Buffer.alloc(9000, 'x'))])),
    pngChunk('pHYs', Buffer.from([0, 0, 11, 19, 0, 0, 11, 19, 1])),
    pngChunk('tIME', Buffer.from([7, 232, 5, 17, 8, 30, 15])),
  ];
  const blocks = split(await withMetadata(canvas).png().toBuffer(), 'png');
  return Buffer.concat([
    join(blocks.slice(0, 2)),
    pngChunk('gAMA', Buffer.from([0, 0, 0xb1, 0x8f])),
    ...texts,
    join(blocks.slice(2)),
  ]);
}

async function gifWithComment(canvas: Canvas): Promise<Buffer> {
  const [header, ...others] = split(await still(canvas).gif({ progressive: true }).toBuffer(), 'gif');
  const comment = Buffer.from('!\xfe\x0bLindenweg 7\0', 'latin1');
  return Buffer.concat([header?.bytes ?? comment, comment, join(others)]);
}

async function webpWithUnknownChunks(canvas: Canvas): Promise<Buffer> {
  const blocks = split(await withMetadata(canvas, 4).webp().toBuffer(), 'webp');
  const bytes = Buffer.concat([join(blocks), riffChunk('abcd', Buffer.alloc(99, 'x'))]);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  return bytes;
}

const MAKERS: readonly (readonly [format: ImageFormat, name: string, make: Maker])[] = [
  ['jpeg', 'baseline', (canvas) => still(canvas).jpeg().toBuffer()],
  ['jpeg', 'full colour', (canvas) => still(canvas).jpeg({ chromaSubsampling: '4:4:4' }).toBuffer()],
  ['jpeg', 'progressive', (canvas) => still(canvas).jpeg({ progressive: true }).toBuffer()],
  ['jpeg', 'optimised by scans', (canvas) => still(canvas).jpeg({ mozjpeg: true }).toBuffer()],
  ['jpeg', 'grey', (canvas) => still(canvas).toColourspace('b-w').jpeg().toBuffer()],
  ['jpeg', 'CMYK', (canvas) => still(canvas).withIccProfile('cmyk').jpeg().toBuffer()],
  ['jpeg', 'CMYK without a profile', (canvas) => still(canvas).toColourspace('cmyk').jpeg().toBuffer()],
  ['jpeg', 'with EXIF, XMP and ICC', (canvas) => withMetadata(canvas).jpeg().toBuffer()],
  ['jpeg', 'in separate scans', jpegInSeparateScans],
  ['png', '8 bit', (canvas) => still(canvas).png().toBuffer()],
  ['png', '8 bit with alpha', (canvas) => still(canvas, 4).png({ adaptiveFiltering: true }).toBuffer()],
  ['png', '16 bit', (canvas) => still(canvas).toColourspace('rgb16').png().toBuffer()],
  ['png', '16 bit grey', (canvas) => still(canvas).toColourspace('grey16').png().toBuffer()],
  ['png', 'palette', (canvas) => still(canvas).png({ palette: true }).toBuffer()],
  ['png', 'palette with alpha', (canvas) => still(canvas, 4).png({ palette: true }).toBuffer()],
  ['png', '1 bit', (canvas) => still(canvas).png({ palette: true, colours: 2 }).toBuffer()],
  ['png', 'interlaced', (canvas) => still(canvas, 4).png({ progressive: true }).toBuffer()],
  ['png', 'interlaced 16 bit', (canvas) => still16(canvas).png({ progressive: true }).toBuffer()],
  ['png', 'with EXIF, XMP, ICC and texts', pngWithTexts],
  ['png', 'animated', animatedPng],
  ['gif', 'still', (canvas) => still(canvas).gif().toBuffer()],
  ['gif', 'transparent', (canvas) => still(canvas, 4).gif({ colours: 16 }).toBuffer()],
  ['gif', 'animated', (canvas) => animation(canvas, 3).gif(DELAY).toBuffer()],
  ['gif', 'animated and transparent', (canvas) => animation(canvas).gif(DELAY).toBuffer()],
  ['gif', 'interlaced with a comment', gifWithComment],
  ['webp', 'lossy', (canvas) => still(canvas).webp().toBuffer()],
  ['webp', 'lossy with alpha', (canvas) => still(canvas, 4).webp().toBuffer()],
  ['webp', 'lossless', (canvas) => still(canvas).webp({ lossless: true, effort: 1 }).toBuffer()],
  ['webp', 'lossless with alpha', (canvas) => still(canvas, 4).webp({ lossless: true }).toBuffer()],
  ['webp', 'near lossless', (canvas) => still(canvas).webp({ nearLossless: true, quality: 40 }).toBuffer()],
  ['webp', 'few colours', (canvas) => palette(canvas)],
  ['webp', 'animated', (canvas) => animation(canvas, 3).webp(DELAY).toBuffer()],
  ['webp', 'animated and lossless', (canvas) => losslessAnimation(canvas)],
  ['webp', 'with EXIF, XMP and ICC', webpWithUnknownChunks],
];

function still16(canvas: Canvas) {
  return still(canvas, 4).toColourspace('rgb16');
}

function losslessAnimation(canvas: Canvas): Promise<Buffer> {
  return animation(canvas)
    .webp({ ...DELAY, lossless: true })
    .toBuffer();
}

/** A lossless WebP of at most 16 colours packs several pixels into one. */
async function palette(canvas: Canvas): Promise<Buffer> {
  const few = await still(canvas).png({ palette: true, colours: 4 }).toBuffer();
  return sharp(few).webp({ lossless: true }).toBuffer();
}

const VARIANTS = 3;

/** Every kind of file of the four formats in several sizes; always the same ones. */
export async function makeCorpus(): Promise<readonly Original[]> {
  const dice = new Dice(1);
  const orders = MAKERS.flatMap(([format, name, make]) =>
    Array.from({ length: VARIANTS }, () => {
      const canvas = { width: dice.between(17, 260), height: dice.between(17, 230), seed: dice.below(1e6) };
      return async (): Promise<Original> => ({ format, name, bytes: await make(canvas) });
    }),
  );
  return Promise.all(orders.map((order) => order()));
}
