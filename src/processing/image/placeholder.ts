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
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      rgba.set(meanOf(image, x / width, y / height, 1 / width, 1 / height), (y * width + x) * 4);
    }
  }
  return Buffer.from(rgbaToThumbHash(width, height, rgba)).toString('base64');
}

/** The mean colour of a part of the image, given in parts of its sides. What is transparent has no say in the colour. */
function meanOf(
  { data, width, height, channels }: RawImage,
  left: number,
  top: number,
  partX: number,
  partY: number,
): readonly [number, number, number, number] {
  const grey = channels < 3;
  const transparent = channels === 2 || channels === 4;
  let [red, green, blue, alpha] = [0, 0, 0, 0];
  for (let row = 0; row < SAMPLES; row += 1) {
    const y = Math.floor((top + ((row + 0.5) / SAMPLES) * partY) * height);
    for (let column = 0; column < SAMPLES; column += 1) {
      const x = Math.floor((left + ((column + 0.5) / SAMPLES) * partX) * width);
      const at = (y * width + x) * channels;
      const weight = transparent ? (data[at + channels - 1] ?? 0) : 255;
      red += (data[at] ?? 0) * weight;
      green += (data[grey ? at : at + 1] ?? 0) * weight;
      blue += (data[grey ? at : at + 2] ?? 0) * weight;
      alpha += weight;
    }
  }
  const colours = Math.max(1, alpha);
  return [red / colours, green / colours, blue / colours, alpha / (SAMPLES * SAMPLES)];
}
