export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp';

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const JPEG_START = Buffer.from([0xff, 0xd8, 0xff]);

/** What the bytes say they are; null when they are none of the formats that are processed. */
export function sniffFormat(bytes: Buffer): ImageFormat | null {
  if (bytes.subarray(0, JPEG_START.length).equals(JPEG_START)) {
    return 'jpeg';
  }
  if (bytes.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE)) {
    return 'png';
  }
  if (['GIF87a', 'GIF89a'].includes(bytes.toString('latin1', 0, 6))) {
    return 'gif';
  }
  if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP') {
    return 'webp';
  }
  return null;
}

export function mimeTypeOf(format: ImageFormat): string {
  return `image/${format}`;
}
