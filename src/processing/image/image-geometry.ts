/** Pixels, as the viewer sees the image: EXIF orientation applied. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface RenderPlan {
  /** What the one decode is shrunk to: just large enough to make both derivatives from. */
  readonly intermediate: Size;
  readonly medium: Size;
  readonly thumbnail: Size;
}

const THUMBNAIL_SIDE = 200;
const MEDIUM_WIDTH = 800;
/** The longest side a WebP can have. */
const WEBP_MAX_SIDE = 16_383;

/**
 * Plans the derivatives of an image. None is ever larger than the original: an image below 200 × 200 pixels is cut
 * to what it has. `medium` is bound by its width; its height follows, as far as WebP allows.
 */
export function planDerivatives(image: Size): RenderPlan {
  const thumbnail = {
    width: Math.min(THUMBNAIL_SIDE, image.width),
    height: Math.min(THUMBNAIL_SIDE, image.height),
  };
  const mediumScale = Math.min(1, MEDIUM_WIDTH / image.width, WEBP_MAX_SIDE / image.height);
  const coverScale = Math.max(thumbnail.width / image.width, thumbnail.height / image.height);
  return {
    intermediate: scaled(image, Math.max(mediumScale, coverScale)),
    medium: scaled(image, mediumScale),
    thumbnail,
  };
}

function scaled(image: Size, scale: number): Size {
  return {
    width: Math.max(1, Math.round(image.width * scale)),
    height: Math.max(1, Math.round(image.height * scale)),
  };
}

/** Rows that a decoder which works through an image from top to bottom may hold at once; measured, generous. */
const STREAMED_ROWS = 1_000;

const BYTES_PER_PIXEL = 4;
/** The intermediate itself, and what the encoder of `medium`, which is as large, makes of it; measured. */
const ENCODED_BYTES_PER_PIXEL = 10;

/** What decides how much of an image its decoder must hold at once. */
export interface DecodeShape {
  /** As stored, before EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** Interlaced and progressive files, GIF and WebP are decoded as a whole; others row by row. */
  readonly whole: boolean;
  /** What the decoder holds for each pixel that it holds at all. */
  readonly bytesPerPixel: number;
  /** What it holds however small the image is. */
  readonly tableBytes: number;
}

/** What a decode holds at once for its pixels. */
export function decodedBytes({ width, height, whole, bytesPerPixel }: DecodeShape): number {
  return width * (whole ? height : Math.min(height, STREAMED_ROWS)) * bytesPerPixel;
}

/** What an image holds in memory from its decode to its derivatives, in pixels of four bytes: the unit of a `PixelBudget`. */
export function decodeCost(shape: DecodeShape, intermediate: Size): number {
  const encoders = intermediate.width * intermediate.height * ENCODED_BYTES_PER_PIXEL;
  return Math.ceil((decodedBytes(shape) + shape.tableBytes + encoders) / BYTES_PER_PIXEL);
}
