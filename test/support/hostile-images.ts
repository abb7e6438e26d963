import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { PNG_SIGNATURE, pngChunk, riffChunk, webpFile } from '../fuzz/image-blocks.js';
import {
  gifImage,
  jpegWithOrientation,
  photo,
  photoPixels,
  pngImage,
  PRIVATE_TEXT,
  webpImage,
  webpWithFrames,
  withJpegSegment,
} from './images.js';

/** Makers of pictures that are whole, and carry what they should not. */

/** What a browser, a shell or a web server would run, if one of them could be made to. */
export const PAYLOAD = '<script>alert("polyglot")</script><?php system($_GET["c"]); ?>';

/** A zip archive with one stored file: other programs find it from its end, wherever it begins. */
const ARCHIVE = Buffer.concat([
  Buffer.from('PK\x03\x04', 'latin1'),
  Buffer.from(PAYLOAD),
  Buffer.from('PK\x05\x06', 'latin1'),
  Buffer.alloc(18),
]);

const IMAGE = 0x2c;
const GIF_COMMENT = Buffer.from([0x21, 0xfe]);

/** Of each format a picture with the payload inside, where the format has a place for it, and another one behind its end. */
export async function polyglots(): Promise<readonly (readonly [mimeType: string, bytes: Buffer])[]> {
  const [jpeg, png, gif, webp] = await Promise.all([
    photo(90, 60),
    pngImage(90, 60),
    gifImage(90, 60),
    webpImage(90, 60),
  ]);
  const text = Buffer.from(PAYLOAD);
  const comment = Buffer.concat([GIF_COMMENT, Buffer.from([text.length]), text, Buffer.alloc(1)]);
  const frame = gif.indexOf(IMAGE, 13 + 3 * 2 ** (((gif[10] ?? 0) & 7) + 1));
  return [
    ['image/jpeg', Buffer.concat([withJpegSegment(jpeg, 0xfe, text), ARCHIVE])],
    [
      'image/png',
      Buffer.concat([spliced(png, pngChunk('tEXt', Buffer.from(`Comment\0${PAYLOAD}`))), ARCHIVE]),
    ],
    ['image/gif', Buffer.concat([gif.subarray(0, frame), comment, gif.subarray(frame), ARCHIVE])],
    ['image/webp', Buffer.concat([webpFile(webp.subarray(12), riffChunk('PHP ', text)), ARCHIVE])],
  ];
}

const WHERE = {
  GPSLatitudeRef: 'N',
  GPSLatitude: '51/1 30/1 0/1',
  GPSLongitudeRef: 'W',
  GPSLongitude: '0/1 6/1 0/1',
};
const EXIF = { IFD0: { ImageDescription: PRIVATE_TEXT }, IFD3: WHERE };

/** A photo of 400 × 240 as it is to be seen, stored as EXIF orientation `n` says, that tells where it was taken. */
export async function turnedJpegWithGps(n: number): Promise<Buffer> {
  return sharp(await jpegWithOrientation(n, 400, 240))
    .withMetadata({ orientation: n, exif: EXIF })
    .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

/** A PNG and a WebP that tell where they were taken. */
export async function otherImagesWithGps(): Promise<readonly (readonly [mimeType: string, bytes: Buffer])[]> {
  const picture = sharp(photoPixels(120, 80), { raw: { width: 120, height: 80, channels: 3 } }).withExif(
    EXIF,
  );
  return [
    ['image/png', await picture.clone().png().toBuffer()],
    ['image/webp', await picture.clone().webp().toBuffer()],
  ];
}

/** A WebP animation of a few hundred bytes that claims so many frames on a canvas of this size. */
export function webpFrameBomb(frames: number, width: number, height: number): Buffer {
  const bytes = webpWithFrames(frames);
  // Behind the heads of file and canvas chunk, and its flags.
  bytes.writeUIntLE(width - 1, 24, 3);
  bytes.writeUIntLE(height - 1, 27, 3);
  return bytes;
}

/** A PNG of one pixel with 150 comments of 8 kB, each of which unpacks to 8 MB. */
export async function pngTextBomb(): Promise<Buffer> {
  const packed = deflateSync(Buffer.alloc(7_900_000, 'x'), { level: 9 });
  const comments = Array.from({ length: 150 }, (_, index) =>
    pngChunk('zTXt', Buffer.concat([Buffer.from(`Comment ${index}\0\0`, 'latin1'), packed])),
  );
  return spliced(await pngImage(1, 1), ...comments);
}

const ZEROS_AT_ONCE = 8 * 1024 * 1024;

/**
 * A valid black PNG with 16 bits for each of its four channels, a thousandth of the size of its pixels: the most work
 * that a decoder can be given in one file. Made in no time, as its packed pixels are one block over and over.
 */
export function blackPng(width: number, height: number): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 16, 6, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk('IHDR', header),
    pngChunk('IDAT', packedZeros((width * 8 + 1) * height)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** So many zeros in the zlib format (RFC 1950), whose checksum of zeros follows from their number alone. */
function packedZeros(count: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(ZEROS_AT_ONCE), {
    level: 9,
    finishFlush: constants.Z_FULL_FLUSH,
  });
  const rest = deflateRawSync(Buffer.alloc(count % ZEROS_AT_ONCE), { level: 9 });
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE((count % 65_521) * 65_536 + 1);
  const blocks = Array.from({ length: Math.floor(count / ZEROS_AT_ONCE) }, () => block);
  return Buffer.concat([Buffer.from([0x78, 0x01]), ...blocks, rest, checksum]);
}

/** Behind the header chunk. */
function spliced(png: Buffer, ...chunks: readonly Buffer[]): Buffer {
  return Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)]);
}
