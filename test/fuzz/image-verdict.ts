import type { ProcessedImage } from '../../src/processing/image/image-pipeline.js';
import type { ProcessingErrorCode } from '../../src/processing/image/processing-fault.js';
import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { split } from './image-blocks.js';
import type { Outcome, UploadedFile } from './image-child.js';

/** Every code a file can fail with because of its bytes. `Record` makes the compiler ask for a new one. */
export const CODES: Readonly<Record<ProcessingErrorCode, boolean>> = {
  type_mismatch: true,
  truncated: true,
  unreadable: true,
  too_many_pixels: true,
  too_many_frames: true,
  size_mismatch: true,
  // These two are not for the processor to say: it only reports a time-out, and knows of no upload.
  processing_timeout: false,
  upload_expired: false,
};

const MOST_FRAMES = 1_000;
const THUMBNAIL_SIDE = 200;
const MEDIUM_WIDTH = 800;
const WEBP_MAX_SIDE = 16_383;
/** The picture and its alpha, and the head they need when there are two; anything else would be metadata. */
const PICTURE_CHUNKS = new Set(['RIFF', 'VP8X', 'VP8 ', 'VP8L', 'ALPH']);

/** What is wrong with an outcome; null when it is one that was meant to happen. */
export async function flawOf(
  file: UploadedFile,
  outcome: Outcome,
  maxPixels: number,
): Promise<string | null> {
  switch (outcome.kind) {
    case 'ready':
      return flawOfImage(file, outcome.image, maxPixels);
    case 'failed':
      return CODES[outcome.code] ? null : `The code ${outcome.code} is not one of the processor's`;
    case 'timeout':
      return null;
    default:
      return `${outcome.kind}: ${outcome.detail}`;
  }
}

async function flawOfImage(
  file: UploadedFile,
  { width, height, metadata, thumbnail, medium }: ProcessedImage,
  maxPixels: number,
): Promise<string | null> {
  const claims: readonly (readonly [holds: boolean, claim: string])[] = [
    [file.fileSize === file.bytes.length, 'has the declared size'],
    [`image/${metadata.format}` === file.mimeType, 'has the declared type'],
    [Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0, 'has a size'],
    [width * height <= maxPixels, 'has no more pixels than allowed'],
    [metadata.frames >= 1 && metadata.frames <= MOST_FRAMES, 'has no more frames than allowed'],
    [metadata.takenAt === null || !Number.isNaN(Date.parse(metadata.takenAt)), 'was taken some time'],
    [/^[A-Za-z0-9+/]{6,40}={0,2}$/.test(metadata.thumbHash), 'has a placeholder'],
  ];
  const broken = claims.find(([holds]) => !holds);
  if (broken !== undefined) {
    return `Ready, but it is not true that it ${broken[1]}: ${width} × ${height}, ${JSON.stringify(metadata)}`;
  }
  const bounds = {
    thumbnail: [Math.min(THUMBNAIL_SIDE, width), Math.min(THUMBNAIL_SIDE, height)],
    medium: [Math.min(MEDIUM_WIDTH, width), Math.min(WEBP_MAX_SIDE, height)],
  } as const;
  return (
    (await flawOfDerivative('thumbnail', thumbnail, bounds.thumbnail)) ??
    (await flawOfDerivative('medium', medium, bounds.medium))
  );
}

/** Looked at with its blocks first: whether there is anything but a picture in it, inside or behind. */
async function flawOfDerivative(
  name: string,
  bytes: Buffer,
  [maxWidth, maxHeight]: readonly [number, number],
): Promise<string | null> {
  if (bytes.toString('latin1', 8, 12) !== 'WEBP') {
    return `The ${name} is no WebP`;
  }
  const foreign = split(bytes, 'webp').find((block) => !PICTURE_CHUNKS.has(block.name));
  if (foreign !== undefined) {
    return `The ${name} has a block ${JSON.stringify(foreign.name)} of ${foreign.bytes.length} bytes`;
  }
  if (bytes.readUInt32LE(4) !== bytes.length - 8) {
    return `The ${name} is longer or shorter than it says`;
  }
  try {
    const image = sharp(bytes, { failOn: 'warning' });
    const { exif, xmp, iptc, icc, pages } = await image.metadata();
    const { info } = await image.raw().toBuffer({ resolveWithObject: true });
    if (exif ?? xmp ?? iptc ?? icc ?? pages) {
      return `The ${name} carries more than a picture`;
    }
    const fits = info.width <= maxWidth && info.height <= maxHeight;
    return fits ? null : `The ${name} has ${info.width} × ${info.height} pixels`;
  } catch (error) {
    return `The ${name} cannot be decoded: ${String(error)}`;
  }
}
