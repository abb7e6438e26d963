import type { ImageFormat } from './image-format.js';

export interface ImageLimits {
  /** Width × height of one frame. */
  readonly maxPixels: number;
  /** For one image, from the moment its decode may start. */
  readonly timeoutSeconds: number;
  /** Default 1,000. */
  readonly maxFrames?: number;
}

/** What clients see as `metadata` of an image. */
export interface ImageMetadata {
  readonly format: ImageFormat;
  readonly frames: number;
  readonly hasAlpha: boolean;
  /** ISO 8601, UTC. */
  readonly takenAt: string | null;
  /** A ThumbHash (a blurred placeholder of about 25 bytes) in base64. */
  readonly thumbHash: string;
}

export interface ProcessedImage {
  /** Of the oriented image as decoded, whatever the client said. */
  readonly width: number;
  readonly height: number;
  /** Sha-256 of the original, in hex: of all its bytes, also of those that no decoder was given. */
  readonly contentHash: string;
  readonly metadata: ImageMetadata;
  /** WebP. */
  readonly thumbnail: Buffer;
  /** WebP. */
  readonly medium: Buffer;
}

/** Verifies an uploaded image and makes its derivatives. */
export abstract class ImagePipeline {
  /**
   * Throws `PermanentFault` when the file can never be processed, and `ProcessingTimeout` when it took too long.
   * Any other error is the machine's, and the job may be tried again.
   *
   * @param original an ArrayBuffer of its own; it is of no use any more afterwards
   */
  abstract process(original: Buffer<ArrayBuffer>, declaredMimeType: string): Promise<ProcessedImage>;
}
