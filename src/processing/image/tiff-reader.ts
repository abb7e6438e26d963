const EXIF_PREFIX = Buffer.from('Exif\0\0', 'latin1');
const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;
/** Cameras write a few dozen entries; a hostile directory shall not cost more than a few hundred. */
const MAX_ENTRIES = 512;

const TYPE_ASCII = 2;
const TYPE_UINT32 = 4;

interface Entry {
  readonly type: number;
  readonly count: number;
  /** Where the value, or the pointer to it, stands. */
  readonly valueAt: number;
}

/**
 * Looks single tags up in the TIFF structure inside EXIF. Everything it is asked for may be missing, and every
 * offset in it may be a lie: whatever does not fit reads as null.
 */
export class TiffReader {
  private constructor(
    private readonly bytes: Buffer,
    private readonly littleEndian: boolean,
  ) {}

  /** Null when this is no TIFF structure. Accepts the `Exif` prefix it has inside a JPEG. */
  static open(exif: Buffer): TiffReader | null {
    const bytes = exif.indexOf(EXIF_PREFIX) === 0 ? exif.subarray(EXIF_PREFIX.length) : exif;
    const magic = bytes.toString('latin1', 0, 4);
    if (bytes.length < HEADER_BYTES || (magic !== 'II*\0' && magic !== 'MM\0*')) {
      return null;
    }
    return new TiffReader(bytes, magic.startsWith('II'));
  }

  /** Offset of the first directory. */
  get firstDirectory(): number {
    return this.uint32(4);
  }

  /** The offset that a tag of this directory points to. */
  pointer(directory: number, tag: number): number | null {
    const entry = this.find(directory, tag);
    return entry?.type === TYPE_UINT32 && entry.count === 1 ? this.uint32(entry.valueAt) : null;
  }

  /** A tag's text, up to its terminating zero; at most `maxLength` characters are looked at. */
  text(directory: number, tag: number, maxLength: number): string | null {
    const entry = this.find(directory, tag);
    if (entry?.type !== TYPE_ASCII) {
      return null;
    }
    const start = entry.count <= 4 ? entry.valueAt : this.uint32(entry.valueAt);
    const text = this.bytes.toString('latin1', start, start + Math.min(entry.count, maxLength));
    return text.split('\0', 1)[0] ?? null;
  }

  private find(directory: number, tag: number): Entry | null {
    if (directory + 2 > this.bytes.length) {
      return null;
    }
    const entries = Math.min(this.uint16(directory), MAX_ENTRIES);
    for (let index = 0; index < entries; index += 1) {
      const at = directory + 2 + index * ENTRY_BYTES;
      if (at + ENTRY_BYTES > this.bytes.length) {
        return null;
      }
      if (this.uint16(at) === tag) {
        return { type: this.uint16(at + 2), count: this.uint32(at + 4), valueAt: at + 8 };
      }
    }
    return null;
  }

  private uint16(at: number): number {
    return this.littleEndian ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at);
  }

  private uint32(at: number): number {
    return this.littleEndian ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }
}
