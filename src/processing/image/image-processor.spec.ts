import { createHash } from 'node:crypto';
import { thumbHashToApproximateAspectRatio, thumbHashToAverageRGBA } from 'thumbhash';
import { describe, expect, it } from 'vitest';
import { pngChunk } from '../../../test/fuzz/image-blocks.js';
import {
  CORNERS,
  FRAME_COLOURS,
  gifAnimation,
  gifImage,
  GPS_TAKEN_AT,
  jpegWithGps,
  jpegWithOrientation,
  photo,
  pngImage,
  PRIVATE_TEXT,
  progressiveJpeg,
  type Rgb,
  ultraHdrJpeg,
  webpAnimation,
  webpImage,
} from '../../../test/support/images.js';
import { ImageProcessor } from './image-processor.js';
import { sharp } from './sharp-hardening.js';

const sut = new ImageProcessor({ maxPixels: 100_000_000, timeoutSeconds: 60 });

/** A pixel of an encoded image, given as a share of its width and height; with alpha where there is one. */
async function pixelAt(image: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(image).raw().toBuffer({ resolveWithObject: true });
  const column = Math.min(info.width - 1, Math.floor(x * info.width));
  const row = Math.min(info.height - 1, Math.floor(y * info.height));
  const at = (row * info.width + column) * info.channels;
  return [...data.subarray(at, at + info.channels)];
}

/** How far the worst channel is off, of 255. */
function difference(found: readonly number[], expected: readonly number[]): number {
  return Math.max(...expected.map((value, index) => Math.abs((found[index] ?? Number.NaN) - value)));
}

async function sizeOf(image: Buffer): Promise<string> {
  const { width, height, format } = await sharp(image).metadata();
  return `${format} ${width}x${height}`;
}

function plain(colour: Rgb, width = 64, height = 64) {
  const pixels = Buffer.alloc(width * height * 3, Buffer.from(colour));
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

describe(ImageProcessor.name, () => {
  it.each([
    ['JPEG', 'image/jpeg', () => photo(1200, 900)],
    ['progressive JPEG', 'image/jpeg', () => progressiveJpeg(1200, 900)],
    ['PNG', 'image/png', () => pngImage(1200, 900)],
    ['interlaced PNG', 'image/png', () => pngImage(1200, 900, { progressive: true })],
    ['GIF', 'image/gif', () => gifImage(1200, 900)],
    ['WebP', 'image/webp', () => webpImage(1200, 900)],
  ])('makes a thumbnail and a medium of a %s', async (_, mimeType, make) => {
    const image = await sut.process(await make(), mimeType);
    expect(image).toMatchObject({ width: 1200, height: 900 });
    expect(image.metadata).toMatchObject({
      format: mimeType.slice('image/'.length),
      frames: 1,
      takenAt: null,
    });
    expect(await sizeOf(image.thumbnail)).toBe('webp 200x200');
    expect(await sizeOf(image.medium)).toBe('webp 800x600');
  });

  it.each([
    { width: 1, height: 1, thumbnail: '1x1', medium: '1x1' },
    { width: 50, height: 30, thumbnail: '50x30', medium: '50x30' },
    { width: 50, height: 900, thumbnail: '50x200', medium: '50x900' },
    { width: 500, height: 120, thumbnail: '200x120', medium: '500x120' },
    { width: 10_000, height: 100, thumbnail: '200x100', medium: '800x8' },
    { width: 100, height: 10_000, thumbnail: '100x200', medium: '100x10000' },
    { width: 1, height: 20_000, thumbnail: '1x200', medium: '1x16383' },
    { width: 20_000, height: 1, thumbnail: '200x1', medium: '800x1' },
    { width: 100_000, height: 40, thumbnail: '200x40', medium: '800x1' },
  ])('never enlarges, and copes with $width × $height', async ({ width, height, thumbnail, medium }) => {
    const image = await sut.process(await pngImage(width, height), 'image/png');
    expect(image).toMatchObject({ width, height });
    expect(await sizeOf(image.thumbnail)).toBe(`webp ${thumbnail}`);
    expect(await sizeOf(image.medium)).toBe(`webp ${medium}`);
  });

  it('cuts the thumbnail from the centre', async () => {
    const [left, middle, right] = [
      plain([200, 0, 0], 1200, 400),
      plain([0, 200, 0], 400, 400),
      plain([0, 0, 200], 1200, 400),
    ];
    const bytes = await plain([0, 0, 0], 2800, 400)
      .composite([
        { input: await left.png().toBuffer(), left: 0, top: 0 },
        { input: await middle.png().toBuffer(), left: 1200, top: 0 },
        { input: await right.png().toBuffer(), left: 1600, top: 0 },
      ])
      .png()
      .toBuffer();
    const { thumbnail } = await sut.process(bytes, 'image/png');
    for (const [x, y] of [
      [0.05, 0.05],
      [0.95, 0.95],
      [0.5, 0.5],
    ] as const) {
      expect(difference(await pixelAt(thumbnail, x, y), [0, 200, 0])).toBeLessThanOrEqual(6);
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('applies EXIF orientation %i', async (orientation) => {
    const image = await sut.process(await jpegWithOrientation(orientation, 1000, 600), 'image/jpeg');
    expect(image).toMatchObject({ width: 1000, height: 600 });
    expect(await sizeOf(image.medium)).toBe('webp 800x480');
    expect(await sizeOf(image.thumbnail)).toBe('webp 200x200');
    for (const derivative of [image.medium, image.thumbnail]) {
      expect(difference(await pixelAt(derivative, 0.1, 0.1), CORNERS.topLeft)).toBeLessThanOrEqual(12);
      expect(difference(await pixelAt(derivative, 0.9, 0.1), CORNERS.topRight)).toBeLessThanOrEqual(12);
      expect(difference(await pixelAt(derivative, 0.1, 0.9), CORNERS.bottomLeft)).toBeLessThanOrEqual(12);
      expect(difference(await pixelAt(derivative, 0.9, 0.9), CORNERS.bottomRight)).toBeLessThanOrEqual(12);
      expect((await sharp(derivative).metadata()).orientation).toBeUndefined();
    }
  });

  it.each(['png', 'webp'] as const)('applies the orientation of a %s, too', async (format) => {
    const bytes = await plain([9, 9, 9], 60, 40).withMetadata({ orientation: 6 })[format]().toBuffer();
    expect(await sut.process(bytes, `image/${format}`)).toMatchObject({ width: 40, height: 60 });
  });

  it.each([
    ['gif', gifAnimation],
    ['webp', webpAnimation],
  ] as const)('takes the first frame of an animated %s', async (format, make) => {
    const image = await sut.process(await make(4, 120, 90), `image/${format}`);
    expect(image).toMatchObject({ width: 120, height: 90, metadata: { format, frames: 4 } });
    expect(await sizeOf(image.medium)).toBe('webp 120x90');
    expect((await sharp(image.medium).metadata()).pages).toBeUndefined();
    expect(difference(await pixelAt(image.medium, 0.5, 0.5), FRAME_COLOURS[0] ?? [])).toBeLessThanOrEqual(8);
  });

  it('hashes the original as it came, with what no decoder is given', async () => {
    const png = await pngImage(40, 30);
    const text = pngChunk('tEXt', Buffer.from('Comment\0hello', 'latin1'));
    const original = Buffer.concat([png.subarray(0, 33), text, png.subarray(33)]);
    const { contentHash } = await sut.process(original, 'image/png');
    expect(contentHash).toBe(createHash('sha256').update(original).digest('hex'));
  });

  it('keeps transparency', async () => {
    const { metadata, medium, thumbnail } = await sut.process(
      await pngImage(1000, 500, { alpha: true }),
      'image/png',
    );
    expect(metadata.hasAlpha).toBe(true);
    for (const derivative of [medium, thumbnail]) {
      const [left, right] = [await pixelAt(derivative, 0, 0.5), await pixelAt(derivative, 0.99, 0.5)];
      expect(left[3]).toBeGreaterThan(right[3] ?? 255);
    }
  });

  it('adds no transparency where there was none', async () => {
    const { metadata, medium } = await sut.process(await photo(300, 200), 'image/jpeg');
    expect(metadata.hasAlpha).toBe(false);
    expect((await sharp(medium).metadata()).hasAlpha).toBe(false);
  });

  const colour: Rgb = [200, 60, 40];
  it.each([
    ['Display P3 JPEG', 'image/jpeg', () => plain(colour).withIccProfile('p3').jpeg({ quality: 100 }), 5],
    ['Display P3 PNG', 'image/png', () => plain(colour).withIccProfile('p3').png(), 3],
    ['Display P3 WebP', 'image/webp', () => plain(colour).withIccProfile('p3').webp({ lossless: true }), 3],
    ['16-bit PNG', 'image/png', () => plain(colour).toColourspace('rgb16').png(), 3],
    [
      '16-bit Display P3 PNG',
      'image/png',
      () => plain(colour).toColourspace('rgb16').withIccProfile('p3').png(),
      3,
    ],
    // Printing inks do not reach every colour, so the way there and back is lossy.
    ['CMYK JPEG', 'image/jpeg', () => plain(colour).withIccProfile('cmyk').jpeg({ quality: 100 }), 25],
  ])('shows the colours of a %s as sRGB', async (_, mimeType, make, tolerance) => {
    const { medium } = await sut.process(await make().toBuffer(), mimeType);
    const { space, hasProfile } = await sharp(medium).metadata();
    expect({ space, hasProfile }).toEqual({ space: 'srgb', hasProfile: false });
    expect(difference(await pixelAt(medium, 0.5, 0.5), colour)).toBeLessThanOrEqual(tolerance);
  });

  it.each(['b-w', 'grey16'])('shows a greyscale image as grey (%s)', async (space) => {
    const bytes = await plain([120, 120, 120]).toColourspace(space).png().toBuffer();
    const { medium } = await sut.process(bytes, 'image/png');
    expect(difference(await pixelAt(medium, 0.5, 0.5), [120, 120, 120])).toBeLessThanOrEqual(3);
  });

  it('reads an Ultra HDR photo as the plain JPEG that it also is', async () => {
    expect(await sut.process(await ultraHdrJpeg(640, 480), 'image/jpeg')).toMatchObject({
      width: 640,
      height: 480,
      metadata: { format: 'jpeg', frames: 1 },
    });
  });

  it('tells when a photo was taken, and lets nothing else of its metadata through', async () => {
    const original = await jpegWithGps();
    expect(original.includes(PRIVATE_TEXT)).toBe(true);
    const { metadata, medium, thumbnail } = await sut.process(original, 'image/jpeg');
    expect(metadata.takenAt).toBe(GPS_TAKEN_AT);
    for (const derivative of [medium, thumbnail]) {
      const { exif, xmp, iptc, icc } = await sharp(derivative).metadata();
      expect({ exif, xmp, iptc, icc }).toEqual({});
      expect(derivative.includes(PRIVATE_TEXT)).toBe(false);
      expect(derivative.includes('GPS')).toBe(false);
    }
  });

  it('lets no payload behind or inside an image reach the derivatives', async () => {
    const payload = '<script>alert("polyglot")</script>';
    const gif = Buffer.concat([await gifImage(64, 48), Buffer.from(payload)]);
    const png = Buffer.concat([
      await plain([1, 2, 3])
        .withExif({ IFD0: { Copyright: payload } })
        .png()
        .toBuffer(),
      Buffer.from(payload),
    ]);
    for (const [bytes, mimeType] of [
      [gif, 'image/gif'],
      [png, 'image/png'],
    ] as const) {
      const { medium, thumbnail } = await sut.process(bytes, mimeType);
      expect(Buffer.concat([medium, thumbnail]).includes('script')).toBe(false);
    }
  });

  it('makes a placeholder of the average colour and the shape of the image', async () => {
    const bytes = await plain([200, 60, 40], 900, 600).png().toBuffer();
    const { metadata } = await sut.process(bytes, 'image/png');
    const hash = Buffer.from(metadata.thumbHash, 'base64');
    const { r, g, b, a } = thumbHashToAverageRGBA(hash);
    expect(difference([r * 255, g * 255, b * 255, a * 255], [200, 60, 40, 255])).toBeLessThanOrEqual(12);
    expect(thumbHashToApproximateAspectRatio(hash)).toBeCloseTo(1.5, 0);
  });

  it('gives the same answer every time', async () => {
    const bytes = await photo(700, 500);
    expect(await sut.process(bytes, 'image/jpeg')).toEqual(await sut.process(bytes, 'image/jpeg'));
  });

  it('processes many images at once within a budget smaller than any of them', async () => {
    const sharing = new ImageProcessor({ maxPixels: 1_000_000, timeoutSeconds: 60 });
    const images = await Promise.all(
      Array.from({ length: 12 }, async (_, seed) =>
        sharing.process(await progressiveJpeg(1100, 900, seed), 'image/jpeg'),
      ),
    );
    expect(images.map(({ width }) => width)).toEqual(Array.from({ length: 12 }, () => 1100));
  });
});
