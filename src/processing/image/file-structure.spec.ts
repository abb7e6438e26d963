import type { WebpOptions } from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  gifAnimation,
  gifBomb,
  gifImage,
  gifWithFrames,
  photo,
  photoPixels,
  pngBomb,
  pngImage,
  progressiveJpeg,
  seededRandom,
  webpAnimation,
  webpBomb,
  webpImage,
  webpWithFrames,
  withJpegSegment,
} from '../../../test/support/images.js';
import { inspectStructure } from './file-structure.js';
import type { ImageFormat } from './image-format.js';
import { sharp } from './sharp-hardening.js';

const samples: readonly (readonly [name: string, format: ImageFormat, make: () => Promise<Buffer>])[] = [
  ['a baseline JPEG', 'jpeg', () => photo(64, 48)],
  ['a progressive JPEG', 'jpeg', () => progressiveJpeg(64, 48)],
  ['a PNG', 'png', () => pngImage(20, 15)],
  ['a GIF', 'gif', () => gifImage(64, 48)],
  ['an animated GIF', 'gif', () => gifAnimation(3)],
  ['a WebP', 'webp', () => webpImage(64, 48)],
  ['an animated WebP', 'webp', () => webpAnimation(3)],
];

/** How much of such a WebP counts as lossless. */
async function losslessShare(options: WebpOptions, channels: 3 | 4 = 3): Promise<number> {
  const image = sharp(photoPixels(64, 48, 1, channels), { raw: { width: 64, height: 48, channels } });
  const bytes = await image.webp(options).toBuffer();
  return inspectStructure(bytes, 'webp').losslessBytes / bytes.length;
}

describe(inspectStructure.name, () => {
  it.each(samples)('finds the end of %s, with or without bytes behind it', async (_, format, make) => {
    const bytes = await make();
    expect(inspectStructure(bytes, format).complete).toBe(true);
    const followed = Buffer.concat([bytes, Buffer.from('<script>alert(1)</script>')]);
    expect(inspectStructure(followed, format).complete).toBe(true);
  });

  it.each(samples)('notices every single cut of %s', async (_, format, make) => {
    const bytes = await make();
    const completeCuts = [];
    for (let length = 12; length < bytes.length; length += 1) {
      if (inspectStructure(bytes.subarray(0, length), format).complete) {
        completeCuts.push(length);
      }
    }
    expect(completeCuts).toEqual([]);
  });

  it('counts the frames of animations and the scans of JPEGs', async () => {
    expect(inspectStructure(gifWithFrames(37), 'gif').frames).toBe(37);
    expect(inspectStructure(await gifAnimation(3), 'gif').frames).toBe(3);
    expect(inspectStructure(webpWithFrames(37), 'webp').frames).toBe(37);
    expect(inspectStructure(await webpImage(64, 48), 'webp').frames).toBe(1);
    expect(inspectStructure(await photo(64, 48), 'jpeg').scans).toBe(1);
    expect(inspectStructure(await progressiveJpeg(64, 48), 'jpeg').scans).toBeGreaterThan(5);
  });

  it('reads the size that PNG, GIF and WebP declare', () => {
    expect(inspectStructure(pngBomb(4_294_967_295, 1), 'png').canvas).toEqual({
      width: 4_294_967_295,
      height: 1,
    });
    expect(inspectStructure(gifBomb(60_000, 50_000), 'gif').canvas).toEqual({
      width: 60_000,
      height: 50_000,
    });
    expect(inspectStructure(webpBomb(60_000, 50_000), 'webp').canvas).toEqual({
      width: 60_000,
      height: 50_000,
    });
  });

  it('knows which part of a WebP is lossless, and how much that is', async () => {
    expect(await losslessShare({})).toBe(0);
    expect(await losslessShare({ lossless: true })).toBeGreaterThan(0.9);
    const alphaOnly = await losslessShare({}, 4);
    expect(alphaOnly).toBeGreaterThan(0);
    expect(alphaOnly).toBeLessThan(0.5);
    // Each frame of this maker is a lossless one.
    const frames = inspectStructure(webpWithFrames(37), 'webp');
    expect(frames).toMatchObject({ composed: true, losslessBytes: 16 + 8 + 18 });
    const lossy = await webpAnimation(3);
    expect(inspectStructure(lossy, 'webp')).toMatchObject({ composed: true, losslessBytes: 0 });
  });

  it('does not take the end of an embedded preview for the end of a JPEG', async () => {
    const preview = await photo(16, 16);
    const jpeg = withJpegSegment(
      await photo(64, 48),
      0xe1,
      Buffer.concat([Buffer.from('Exif\0\0'), preview]),
    );
    expect(inspectStructure(jpeg, 'jpeg')).toMatchObject({ complete: true, scans: 1 });
    expect(inspectStructure(jpeg.subarray(0, -2), 'jpeg').complete).toBe(false);
  });

  it('takes padding and an odd last byte of a GIF as browsers do', async () => {
    const gif = await gifImage(64, 48);
    const body = gif.subarray(0, -1);
    expect(inspectStructure(Buffer.concat([body, Buffer.from([0, 0, 0x3b])]), 'gif').complete).toBe(true);
    expect(inspectStructure(Buffer.concat([body, Buffer.from([0x77])]), 'gif').complete).toBe(true);
    expect(inspectStructure(Buffer.concat([body, Buffer.from([0, 0])]), 'gif').complete).toBe(false);
  });

  it('survives random bytes and lying lengths without throwing', () => {
    const random = seededRandom(3);
    const formats: readonly ImageFormat[] = ['jpeg', 'png', 'gif', 'webp'];
    for (let round = 0; round < 400; round += 1) {
      const bytes = Buffer.from(Array.from({ length: 12 + round }, () => Math.floor(random() * 256)));
      for (const format of formats) {
        expect(() => inspectStructure(bytes, format)).not.toThrow();
      }
    }
  });
});
