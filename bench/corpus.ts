import { availableParallelism } from 'node:os';
import type { Sharp } from 'sharp';
import { inParallel } from '../src/common/in-parallel.js';
import { seededRandom } from '../test/support/images.js';
import { sharp } from '../src/processing/image/sharp-hardening.js';

/** Widths and heights of what phones take, and of what they send. */
const SIZES = { '2 MP': [1632, 1224], '12 MP': [4000, 3000] } as const;
export type PhotoSize = keyof typeof SIZES;

/** Each layer is so many times as fine as the one before it, and less strong: from the sky to the leaves. */
const LAYERS = [
  { side: 5, strength: 110 },
  { side: 23, strength: 60 },
  { side: 97, strength: 40 },
  { side: 401, strength: 26 },
  { side: 1201, strength: 16 },
] as const;
const GRAIN = 5;
const JPEG = { quality: 88, chromaSubsampling: '4:2:0' } as const;

/**
 * Makes pictures that are as hard for codecs as photographs are: structure of every size, and the grain of a sensor.
 * The same seed gives the same pixels.
 */
export class Corpus {
  private readonly canvases = new Map<PhotoSize, Promise<Buffer>>();

  constructor(private readonly seed: number) {}

  async jpegs(size: PhotoSize, count: number): Promise<Buffer[]> {
    return this.photos(size, count, (photo) => photo.jpeg(JPEG));
  }

  async pngs(size: PhotoSize, count: number): Promise<Buffer[]> {
    return this.photos(size, count, (photo) => photo.png({ compressionLevel: 3 }));
  }

  /** A JPEG of so many bytes, exactly: what is missing is filled up behind its end, where cameras put things, too. */
  async jpegOfBytes(bytes: number): Promise<Buffer> {
    const jpeg = await this.jpegOfWidth(560);
    if (jpeg.length > bytes) {
      throw new Error(`The photo for ${bytes} bytes has ${jpeg.length}`);
    }
    return Buffer.concat([jpeg, Buffer.alloc(bytes - jpeg.length)]);
  }

  async jpegOfWidth(pixels: number): Promise<Buffer> {
    return (await this.photo('2 MP', 0)).resize(pixels).jpeg(JPEG).toBuffer();
  }

  private async photos(size: PhotoSize, count: number, encoded: (photo: Sharp) => Sharp): Promise<Buffer[]> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    return inParallel(availableParallelism(), indexes, async (index) =>
      encoded(await this.photo(size, index)).toBuffer(),
    );
  }

  /** Variants of one canvas: turned, mirrored and in other colours, they cost the codecs the same and are never alike. */
  private async photo(size: PhotoSize, index: number): Promise<Sharp> {
    const [width, height] = SIZES[size];
    const canvas = this.canvases.get(size) ?? paint(width, height, this.seed);
    this.canvases.set(size, canvas);
    const picture = sharp(await canvas, { raw: { width, height, channels: 3 } })
      .flip(index % 2 === 1)
      .flop(index % 4 > 1);
    return index < 4 ? picture : picture.modulate({ hue: index * 7, brightness: 0.9 + (index % 5) * 0.05 });
  }
}

async function paint(width: number, height: number, seed: number): Promise<Buffer> {
  const random = seededRandom(seed);
  const pixels = new Float32Array(width * height * 3).fill(128);
  for (const { side, strength } of LAYERS) {
    const columns = Math.min(side, width);
    const rows = Math.max(2, Math.round((columns * height) / width));
    const small = Buffer.from(Uint8Array.from({ length: columns * rows * 3 }, () => random() * 256));
    const layer = await sharp(small, { raw: { width: columns, height: rows, channels: 3 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .raw()
      .toBuffer();
    for (let at = 0; at < pixels.length; at += 1) {
      pixels[at] = (pixels[at] ?? 0) + (((layer[at] ?? 0) - 128) / 128) * strength;
    }
  }
  for (let at = 0; at < pixels.length; at += 1) {
    pixels[at] = (pixels[at] ?? 0) + (random() - 0.5) * 2 * GRAIN;
  }
  return Buffer.from(Uint8ClampedArray.from(pixels).buffer);
}
