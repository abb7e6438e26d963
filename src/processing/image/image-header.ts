import type { Metadata } from 'sharp';
import { faultOfInput } from './decoder-errors.js';
import type { FileStructure } from './file-structure.js';
import type { DecodeShape, Size } from './image-geometry.js';
import { PermanentFault } from './processing-fault.js';
import { sharp, untrustedInput } from './sharp-hardening.js';

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
    return toHeader(await sharp(bytes, untrustedInput(maxPixels, 'error')).metadata());
  } catch (error) {
    const fault = faultOfInput(error);
    if (fault instanceof PermanentFault && fault.code === 'unreadable' && !structure.complete) {
      throw new PermanentFault('truncated', fault.message, { cause: error });
    }
    throw fault;
  }
}

function toHeader(found: Metadata): ImageHeader {
  return {
    width: found.width,
    height: found.height,
    oriented: found.autoOrient,
    frames: found.pages ?? 1,
    hasAlpha: found.hasAlpha,
    deepWithProfile: found.space === 'rgb16' && found.hasProfile,
    whole: found.isProgressive || found.format === 'gif' || found.format === 'webp',
    deep: found.depth === 'ushort',
    exif: found.exif,
  };
}
