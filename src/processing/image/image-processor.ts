import { hash } from 'node:crypto';
import { renderDerivatives } from './derivatives.js';
import { Deadline } from './deadline.js';
import { inspectStructure, type FileStructure } from './file-structure.js';
import { mimeTypeOf, sniffFormat, type ImageFormat } from './image-format.js';
import { type ImageLimits, ImagePipeline, type ProcessedImage } from './image-pipeline.js';
import { decodeCost, decodedBytes, planDerivatives, type Size } from './image-geometry.js';
import { readHeader, type ImageHeader } from './image-header.js';
import { meanwhile } from './meanwhile.js';
import { PixelBudget } from './pixel-budget.js';
import { withoutTexts } from './png-texts.js';
import { PermanentFault } from './processing-fault.js';
import { takenAtFrom } from './taken-at.js';

const DEFAULT_MAX_FRAMES = 1_000;
/** All frames of an animation together may have this many times the pixels that one may have. */
const ANIMATION_PIXELS_FACTOR = 10;
/**
 * A decoder may hold this for each pixel that is allowed: enough for all but 16-bit interlaced PNGs, progressive JPEGs
 * of printing inks and animated WebPs, which are allowed three quarters of the pixels. More would break the promise of
 * what a process needs.
 */
const MAX_BYTES_PER_PIXEL = 6;
/** Memory of a streaming decode grows with the width. Of the four formats only PNG could exceed 65,535 at all. */
const MAX_SIDE = 100_000;
/** Cameras and optimisers write 1 to 20. Each is a pass over the whole image that no time-out can interrupt. */
const MAX_JPEG_SCANS = 100;

/**
 * The work itself, in the thread that it is called in. Trusts nothing about the bytes: everything that decides how much
 * work they are is checked before they are decoded.
 */
export class ImageProcessor extends ImagePipeline {
  /** @param budget shared by all jobs of the process; by default one image of the largest size at a time, or many small ones */
  constructor(
    private readonly limits: ImageLimits,
    private readonly budget = new PixelBudget(limits.maxPixels),
  ) {
    super();
  }

  override async process(original: Buffer, declaredMimeType: string): Promise<ProcessedImage> {
    const format = verifyFormat(original, declaredMimeType);
    const bytes = format === 'png' ? withoutTexts(original) : original;
    const structure = inspectStructure(bytes, format);
    this.checkStructure(structure);
    const header = await readHeader(bytes, this.limits.maxPixels, structure);
    this.checkSize(header, structure);
    if (!structure.complete) {
      throw new PermanentFault('truncated', `The ${format} ends before its end marker`);
    }

    const plan = planDerivatives(header.oriented);
    const [rendered, contentHash] = await Promise.all([
      this.budget.run(decodeCost(header, plan.intermediate), () =>
        renderDerivatives(
          bytes,
          header,
          plan,
          this.limits.maxPixels,
          new Deadline(this.limits.timeoutSeconds),
        ),
      ),
      meanwhile(() => hash('sha256', original, 'hex')),
    ]);
    return {
      ...header.oriented,
      contentHash,
      metadata: {
        format,
        frames: header.frames,
        hasAlpha: header.hasAlpha,
        takenAt: takenAtFrom(header.exif),
        thumbHash: rendered.thumbHash,
      },
      thumbnail: rendered.thumbnail,
      medium: rendered.medium,
    };
  }

  /** What must be known before any decoder opens the file. */
  private checkStructure(structure: FileStructure): void {
    const maxFrames = this.limits.maxFrames ?? DEFAULT_MAX_FRAMES;
    if (structure.frames > maxFrames) {
      throw new PermanentFault('too_many_frames', `${structure.frames} frames, at most ${maxFrames}`);
    }
    if (structure.scans > MAX_JPEG_SCANS) {
      throw new PermanentFault('unreadable', `${structure.scans} JPEG scans, at most ${MAX_JPEG_SCANS}`);
    }
    if (structure.canvas !== null) {
      this.checkPixels(structure.canvas);
    }
  }

  private checkSize(header: ImageHeader, structure: FileStructure): void {
    this.checkPixels(header);
    const frames = Math.max(header.frames, structure.frames);
    const pixels = header.width * header.height * frames;
    if (pixels > ANIMATION_PIXELS_FACTOR * this.limits.maxPixels) {
      throw new PermanentFault('too_many_frames', `${pixels} pixels in ${frames} frames`);
    }
    const held = decodedBytes(header);
    if (header.whole && held > MAX_BYTES_PER_PIXEL * this.limits.maxPixels) {
      throw new PermanentFault('too_many_pixels', `${held} bytes to decode ${pixels} pixels`);
    }
  }

  private checkPixels({ width, height }: Size): void {
    if (width * height > this.limits.maxPixels || Math.max(width, height) > MAX_SIDE) {
      throw new PermanentFault('too_many_pixels', `${width} × ${height} pixels`);
    }
  }
}

function verifyFormat(bytes: Buffer, declaredMimeType: string): ImageFormat {
  if (bytes.length === 0) {
    throw new PermanentFault('truncated', 'The file is empty');
  }
  const format = sniffFormat(bytes);
  if (format === null || mimeTypeOf(format) !== declaredMimeType) {
    throw new PermanentFault(
      'type_mismatch',
      `Declared ${declaredMimeType}, found ${format ?? 'unknown bytes'}`,
    );
  }
  return format;
}
