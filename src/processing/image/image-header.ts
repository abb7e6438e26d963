import type { Metadata } from 'sharp';
import { faultOfInput } from './decoder-errors.js';
import { decoderTurns } from './decoder-turns.js';
import type { FileStructure } from './file-structure.js';
import type { DecodeShape, Size } from './image-geometry.js';
import { PermanentFault } from './processing-fault.js';
import { sharp, untrustedInput } from './sharp-hardening.js';

/**
 * A lossless WebP may have 65,536 sets of code tables, whatever size its picture has. A set takes 36 bits to say and to
 * use, and 5 kB and more in the decoder: measured, 380 MB from 295 kB.
 */
const WEBP_TABLE_BYTES = 1_300;

/** What the decoder reads from a file before it decodes any pixel. Width and height are as stored. */
export interface ImageHeader extends DecodeShape {
  /** With EXIF orientation applied. */
  readonly oriented: Size;
  readonly frames: number;
  readonly hasAlpha: boolean;
  /** RGB of 16 bits per channel with a colour profile of its own. */
  readonly deepWithProfile: boolean;
  readonly exif: Buffer | undefined;
}

/** Throws `PermanentFault` when the header cannot be read or declares more than `maxPixels` pixels. */
export async function readHeader(
  bytes: Buffer,
  maxPixels: number,
  structure: FileStructure,
): Promise<ImageHeader> {
  try {
    const found = await decoderTurns.run(() => sharp(bytes, untrustedInput(maxPixels, 'error')).metadata());
    return toHeader(found, structure);
  } catch (error) {
    const fault = faultOfInput(error);
    if (fault instanceof PermanentFault && fault.code === 'unreadable' && !structure.complete) {
      throw new PermanentFault('truncated', fault.message, { cause: error });
    }
    throw fault;
  }
}

function toHeader(found: Metadata, structure: FileStructure): ImageHeader {
  return {
    width: found.width,
    height: found.height,
    oriented: found.autoOrient,
    frames: found.pages ?? 1,
    hasAlpha: found.hasAlpha,
    deepWithProfile: found.space === 'rgb16' && found.hasProfile,
    whole: found.isProgressive || found.format === 'gif' || found.format === 'webp',
    bytesPerPixel: bytesPerPixel(found, structure),
    tableBytes: structure.losslessBytes * WEBP_TABLE_BYTES,
    exif: found.exif,
  };
}

/** Measured; see `image-bombs.spec.ts`. */
function bytesPerPixel(found: Metadata, structure: FileStructure): number {
  if (found.isProgressive && found.format === 'jpeg') {
    // Coefficients of 16 bits for every channel, whatever the file says about subsampling.
    return 2 * found.channels;
  }
  // A WebP of frames: one canvas, and the frame that goes onto it. GIF frames are decoded in place.
  return found.depth === 'ushort' || structure.composed ? 8 : 4;
}
