const SIGNATURE_BYTES = 8;
/** Length, type and checksum around a chunk's data. */
const CHUNK_OVERHEAD = 12;
const TEXT_TYPES = new Set(['tEXt', 'zTXt', 'iTXt']);

/**
 * The PNG without its texts (comments, XMP), none of which reaches a derivative or the metadata that is kept. libpng
 * unpacks each of them as soon as it opens a file, up to 8 MB from 8 kB and a thousand of them: gigabytes, before a
 * single pixel was decoded. The same buffer when there are none.
 */
export function withoutTexts(png: Buffer): Buffer {
  const kept: Buffer[] = [];
  let keptUntil = 0;
  let offset = SIGNATURE_BYTES;
  while (offset + CHUNK_OVERHEAD <= png.length) {
    const end = offset + CHUNK_OVERHEAD + png.readUInt32BE(offset);
    if (TEXT_TYPES.has(png.toString('latin1', offset + 4, offset + 8))) {
      kept.push(png.subarray(keptUntil, offset));
      keptUntil = Math.min(end, png.length);
    }
    offset = end;
  }
  return kept.length === 0 ? png : Buffer.concat([...kept, png.subarray(keptUntil)]);
}
