import { deflateSync } from 'node:zlib';
import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { pngChunk } from '../fuzz/image-blocks.js';

/**
 * Makers of images for tests: everything is generated at run time, and the same arguments give the same bytes.
 * Callers must not change a buffer they got: the costly ones are kept and shared.
 */

const made = new Map<string, Promise<Buffer>>();

function once(name: string, args: readonly unknown[], make: () => Promise<Buffer>): Promise<Buffer> {
  const key = `${name}:${JSON.stringify(args)}`;
  const existing = made.get(key) ?? make();
  made.set(key, existing);
  return existing;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Raw RGB or RGBA like a photo's: soft gradients, some structure, a little noise. Alpha falls from left to right. */
export function photoPixels(width: number, height: number, seed = 1, channels: 3 | 4 = 3): Buffer {
  const random = seededRandom(seed);
  const [red, green, blue] = [random() * 120, random() * 120, random() * 120];
  const noise = Uint8Array.from({ length: 4096 }, () => random() * 24);
  const waves = Float64Array.from({ length: width }, (_, x) => 50 * Math.sin(x / 37));
  const pixels = Buffer.alloc(width * height * channels);
  for (let y = 0, at = 0; y < height; y += 1) {
    const down = (y / height) * 100;
    const wave = Math.cos(y / 29);
    for (let x = 0; x < width; x += 1, at += channels) {
      const grain = noise[(x * 31 + y * 1007) & 4095] ?? 0;
      pixels[at] = red + (x / width) * 100 + grain;
      pixels[at + 1] = green + down + grain;
      pixels[at + 2] = blue + 60 + (waves[x] ?? 0) * wave + grain;
      if (channels === 4) {
        pixels[at + 3] = 255 - (x / width) * 255;
      }
    }
  }
  return pixels;
}

function photoSharp(width: number, height: number, seed = 1, channels: 3 | 4 = 3) {
  return sharp(photoPixels(width, height, seed, channels), { raw: { width, height, channels } });
}

export interface PictureOptions {
  readonly seed?: number;
  readonly alpha?: boolean;
  readonly progressive?: boolean;
}

/** A JPEG, as a camera writes it: baseline, 4:2:0. */
export function photo(width: number, height: number, seed = 1): Promise<Buffer> {
  return once('photo', [width, height, seed], () => photoSharp(width, height, seed).jpeg().toBuffer());
}

export function progressiveJpeg(width: number, height: number, seed = 1): Promise<Buffer> {
  return photoSharp(width, height, seed).jpeg({ progressive: true }).toBuffer();
}

export function pngImage(width: number, height: number, options: PictureOptions = {}): Promise<Buffer> {
  return once('png', [width, height, options], () =>
    photoSharp(width, height, options.seed, options.alpha ? 4 : 3)
      .png({ compressionLevel: 3, progressive: options.progressive ?? false })
      .toBuffer(),
  );
}

export function webpImage(width: number, height: number, options: PictureOptions = {}): Promise<Buffer> {
  return once('webp', [width, height, options], () =>
    photoSharp(width, height, options.seed, options.alpha ? 4 : 3)
      .webp({ effort: 0 })
      .toBuffer(),
  );
}

export function gifImage(width: number, height: number, seed = 1): Promise<Buffer> {
  return once('gif', [width, height, seed], () =>
    photoSharp(width, height, seed).gif({ effort: 1 }).toBuffer(),
  );
}

/** One plain colour per frame of an animation, in this order and over again. */
export const FRAME_COLOURS: readonly Rgb[] = [
  [220, 30, 30],
  [30, 200, 40],
  [30, 60, 220],
];

export type Rgb = readonly [red: number, green: number, blue: number];

function animationSharp(frames: number, width: number, height: number) {
  const pixels = Buffer.concat(
    Array.from({ length: frames }, (_, index) =>
      Buffer.alloc(width * height * 3, Buffer.from(FRAME_COLOURS[index % FRAME_COLOURS.length] ?? [])),
    ),
  );
  return sharp(pixels, { raw: { width, height: height * frames, channels: 3, pageHeight: height } });
}

export function gifAnimation(frames: number, width = 120, height = 90): Promise<Buffer> {
  return animationSharp(frames, width, height)
    .gif({ delay: Array.from({ length: frames }, () => 100) })
    .toBuffer();
}

export function webpAnimation(frames: number, width = 120, height = 90): Promise<Buffer> {
  return animationSharp(frames, width, height)
    .webp({ delay: Array.from({ length: frames }, () => 100) })
    .toBuffer();
}

/** What the corners of `jpegWithOrientation` look like to a viewer who obeys the orientation. */
export const CORNERS = {
  topLeft: [220, 20, 20],
  topRight: [20, 200, 20],
  bottomLeft: [20, 20, 220],
  bottomRight: [230, 220, 20],
} as const satisfies Record<string, Rgb>;

/**
 * A JPEG of four coloured quarters, stored turned and mirrored the way EXIF orientation `n` (1 to 8) says. Whoever
 * obeys it sees `width` × `height` pixels with {@link CORNERS} in their places.
 */
export async function jpegWithOrientation(n: number, width = 1000, height = 600): Promise<Buffer> {
  const [columns, rows] = n >= 5 ? [height, width] : [width, height];
  const pixels = Buffer.alloc(columns * rows * 3);
  for (let row = 0, at = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, at += 3) {
      const [x, y] = seenAt(n, column, row, width - 1, height - 1);
      const [top, bottom] =
        x * 2 < width ? (['topLeft', 'bottomLeft'] as const) : (['topRight', 'bottomRight'] as const);
      pixels.set(CORNERS[y * 2 < height ? top : bottom], at);
    }
  }
  return sharp(pixels, { raw: { width: columns, height: rows, channels: 3 } })
    .withMetadata({ orientation: n })
    .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

/** Where the viewer sees the pixel that is stored at this column and row: EXIF 2.32, tag 0x0112. */
function seenAt(
  n: number,
  column: number,
  row: number,
  right: number,
  bottom: number,
): [x: number, y: number] {
  const places: readonly (readonly [number, number])[] = [
    [column, row],
    [right - column, row],
    [right - column, bottom - row],
    [column, bottom - row],
    [row, column],
    [right - row, column],
    [right - row, bottom - column],
    [row, bottom - column],
  ];
  const [x, y] = places[n - 1] ?? [column, row];
  return [x, y];
}

/** Stands in every kind of metadata that {@link jpegWithGps} carries: it must not turn up in a derivative. */
export const PRIVATE_TEXT = 'Lindenweg 7, second door';
export const GPS_TAKEN_AT = '2024-05-17T06:30:15.000Z';

/** A photo that tells where (51.5° N, 0.1° W) and when ({@link GPS_TAKEN_AT}) it was taken, in EXIF and XMP. */
export function jpegWithGps(width = 640, height = 480): Promise<Buffer> {
  return photoSharp(width, height)
    .withExif({
      IFD0: { ImageDescription: PRIVATE_TEXT, Make: 'Testcam', Model: 'One' },
      IFD2: { DateTimeOriginal: '2024:05:17 08:30:15', OffsetTimeOriginal: '+02:00' },
      IFD3: {
        GPSLatitudeRef: 'N',
        GPSLatitude: '51/1 30/1 0/1',
        GPSLongitudeRef: 'W',
        GPSLongitude: '0/1 6/1 0/1',
      },
    })
    .withXmp(
      '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
        '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="51,30.0N" ' +
        `exif:GPSLongitude="0,6.0W" exif:UserComment="${PRIVATE_TEXT}"/></rdf:RDF></x:xmpmeta>`,
    )
    .jpeg()
    .toBuffer();
}

/** The first `fraction` of a file's bytes; a negative number cuts that many bytes off its end. */
export function truncated(bytes: Buffer, fraction: number): Buffer {
  return bytes.subarray(0, fraction < 0 ? fraction : Math.floor(bytes.length * fraction));
}

/** A JPEG with a segment more right after its start, such as 0xe1 for EXIF. */
export function withJpegSegment(jpeg: Buffer, marker: number, payload: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(payload.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), head, payload, jpeg.subarray(2)]);
}

function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) {
    bytes.writeUInt32BE(value, index * 4);
  }
  return bytes;
}

/** An Ultra HDR photo, as Android phones take it: a JPEG, its MPF index, and a gain map JPEG behind it. */
export async function ultraHdrJpeg(width: number, height: number): Promise<Buffer> {
  const xmp =
    'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/">' +
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description ' +
    'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="2" ' +
    'hdrgm:HDRCapacityMax="2"/></rdf:RDF></x:xmpmeta>';
  const gainMap = withJpegSegment(await photo(width / 4, height / 4), 0xe1, Buffer.from(xmp));
  const primary = await photo(width, height);
  const indexBytes = 86;
  const primaryBytes = primary.length + 4 + indexBytes;
  const index = Buffer.concat([
    Buffer.from('MPF\0MM\0*\0\0\0\x08\0\x03', 'latin1'),
    Buffer.from('b00000070000000430313030b00100040000000100000002b00200070000002000000032', 'hex'),
    // No further directory; then size and offset (behind the head of this segment) of each picture.
    uint32(0, 0x30000, primaryBytes, 0, 0, 0, gainMap.length, primaryBytes - 10, 0),
  ]);
  return Buffer.concat([withJpegSegment(primary, 0xe2, index), gainMap]);
}

/** A JPEG header without a picture that claims to be this large; at most 65,535 each. */
export function jpegBomb(width: number, height: number): Buffer {
  const bytes = Buffer.from('ffd8ffc0000b080000000001011100ffda0008010100003f00ffd9', 'hex');
  bytes.writeUInt16BE(height, 7);
  bytes.writeUInt16BE(width, 9);
  return bytes;
}

/**
 * A valid progressive JPEG of 320 × 240 with up to 800 scans: after the one that holds the (plain) picture, each
 * adds one bit of one frequency, and all of them are zero.
 */
export async function jpegWithScans(scans: number): Promise<Buffer> {
  const pixels = Buffer.alloc(320 * 240, 0x77);
  const jpeg = await sharp(pixels, { raw: { width: 320, height: 240, channels: 1 } })
    .jpeg({ progressive: true })
    .toBuffer();
  const starts = [...jpeg.keys()].filter(
    (at) => jpeg[at] === 0xff && [0xc4, 0xda].includes(jpeg[at + 1] ?? 0),
  );
  const firstScan = starts.findIndex((at) => jpeg[at + 1] === 0xda);
  const [zeros = 0, next = 0] = starts.slice(firstScan + 2);
  const more = Array.from({ length: scans - 1 }, (_, index) => {
    const [frequency, bit] = [1 + (index % 63), 13 - Math.floor(index / 63)];
    const scan = Buffer.from(jpeg.subarray(zeros, next));
    scan.set([frequency, frequency, bit === 13 ? bit : ((bit + 1) << 4) | bit], 7);
    return scan;
  });
  return Buffer.concat([jpeg.subarray(0, zeros), ...more, jpeg.subarray(-2)]);
}

/** A PNG of well under 1 kB that claims to be this large. */
export function pngBomb(width: number, height: number): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(10_000))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

const GIF_HEADER = Buffer.from('GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff', 'latin1');
const GIF_FRAME = Buffer.from('!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0', 'latin1');
const GIF_TRAILER = Buffer.from(';');

/** A 1 × 1 GIF of this many frames, 23 bytes each. */
export function gifWithFrames(frames: number): Buffer {
  return Buffer.concat([GIF_HEADER, ...Array.from({ length: frames }, () => GIF_FRAME), GIF_TRAILER]);
}

/** A GIF of 43 bytes whose canvas and only frame claim to be this large; at most 65,535 each. */
export function gifBomb(width: number, height: number): Buffer {
  const bytes = gifWithFrames(1);
  for (const at of [6, GIF_HEADER.length + 13]) {
    bytes.writeUInt16LE(width, at);
    bytes.writeUInt16LE(height, at + 2);
  }
  return bytes;
}

function riffChunk(type: string, data: Buffer): Buffer {
  const head = Buffer.from(`${type}\0\0\0\0`, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

function webpFile(...chunks: Buffer[]): Buffer {
  return riffChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), ...chunks]));
}

const VP8X_ANIMATION = 2;

function webpCanvas(width: number, height: number, flags = 0): Buffer {
  const data = Buffer.alloc(10);
  data[0] = flags;
  data.writeUIntLE(width - 1, 4, 3);
  data.writeUIntLE(height - 1, 7, 3);
  return riffChunk('VP8X', data);
}

/** The picture chunk of a 1 × 1 lossless WebP. */
const WEBP_PIXEL = riffChunk('VP8L', Buffer.from('2f000000000750a2ceb4aaff8188e87f00', 'hex'));

/** A 1 × 1 WebP animation of this many frames. */
export function webpWithFrames(frames: number): Buffer {
  const frame = riffChunk('ANMF', Buffer.concat([Buffer.alloc(16), WEBP_PIXEL]));
  return webpFile(
    webpCanvas(1, 1, VP8X_ANIMATION),
    riffChunk('ANIM', Buffer.alloc(6)),
    ...Array.from({ length: frames }, () => frame),
  );
}

/** A WebP of less than 100 bytes whose canvas claims to be this large. */
export function webpBomb(width: number, height: number): Buffer {
  return webpFile(webpCanvas(width, height), WEBP_PIXEL);
}

/** Files that are no photos, each with the type its sender would like it to have. */
export const NOT_IMAGES: Readonly<Record<string, Buffer>> = {
  svg: Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>',
  ),
  tiff: Buffer.from('II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0', 'latin1'),
  pdf: Buffer.from('%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n'),
  html: Buffer.from('<!doctype html><html><body><script>alert(1)</script></body></html>'),
  executable: Buffer.from('\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0', 'latin1'),
};
