import { rgbaToThumbHash } from 'thumbhash';
import type { Size } from './image-geometry.js';

/** Pixels without any metadata: 8-bit sRGB with or without alpha. */
export interface RawImage extends Size {
  readonly data: Buffer;
  readonly channels: 1 | 2 | 3 | 4;
}

/** A ThumbHash keeps at most 7 × 7 frequencies: more pixels than this change nothing but the time it takes. */
const HASH_SIDE = 32;
/** Each of those pixels is the mean of so many, both ways: enough that no pattern of the image shows as another one. */
const SAMPLES = 6;

/**
 * The ThumbHash of an image, in base64. The few pixels that it is made of are taken straight from the large image: another
 * pass through libvips takes many times as long, and makes no difference that a hash could show.
 */
export function placeholderOf(image: RawImage): string {
  const scale = Math.min(1, HASH_SIDE / Math.max(image.width, image.height));
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const rgba = new Uint8Array(width * height * 4);
  const samples: Samples = {
    columns: samplesAlong(width, image.width, image.channels),
    rows: samplesAlong(height, image.height, image.width * image.channels),
  };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      writeMean(image, samples, x, y, rgba, (y * width + x) * 4);
    }
  }
  return Buffer.from(rgbaToThumbHash(width, height, rgba)).toString('base64');
}

/** Where the samples lie in the data of the large image: what to add for the column, and what for the row. */
interface Samples {
  readonly columns: Int32Array;
  readonly rows: Int32Array;
}

/** @returns for each pixel of the small image `SAMPLES` positions in the large one, each times the `stride` */
function samplesAlong(side: number, largeSide: number, stride: number): Int32Array {
  return Int32Array.from(
    { length: side * SAMPLES },
    (_, index) => Math.floor(((index + 0.5) / SAMPLES / side) * largeSide) * stride,
  );
}

/** The mean colour of what becomes one pixel. What is transparent has no say in the colour. */
function writeMean(
  { data, channels }: RawImage,
  { columns, rows }: Samples,
  x: number,
  y: number,
  rgba: Uint8Array,
  at: number,
): void {
  const grey = channels < 3;
  const transparent = channels === 2 || channels === 4;
  let red = 0;
  let green = 0;
  let blue = 0;
  let alpha = 0;
  for (let row = y * SAMPLES; row < (y + 1) * SAMPLES; row += 1) {
    for (let column = x * SAMPLES; column < (x + 1) * SAMPLES; column += 1) {
      const sample = (rows[row] ?? 0) + (columns[column] ?? 0);
      const weight = transparent ? (data[sample + channels - 1] ?? 0) : 255;
      red += (data[sample] ?? 0) * weight;
      green += (data[grey ? sample : sample + 1] ?? 0) * weight;
      blue += (data[grey ? sample : sample + 2] ?? 0) * weight;
      alpha += weight;
    }
  }
  const colours = Math.max(1, alpha);
  rgba[at] = red / colours;
  rgba[at + 1] = green / colours;
  rgba[at + 2] = blue / colours;
  rgba[at + 3] = alpha / (SAMPLES * SAMPLES);
}
