import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  gifImage,
  NOT_IMAGES,
  photo,
  photoPixels,
  pngImage,
  webpImage,
} from '../../../test/support/images.js';
import { sharp, untrustedInput } from './sharp-hardening.js';

describe('hardened sharp', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mediadock-sharp-'));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['jpeg', photo],
    ['png', pngImage],
    ['gif', gifImage],
    ['webp', webpImage],
  ] as const)('reads %s from memory, and from nowhere else', async (format, make) => {
    const bytes = await make(40, 30);
    expect((await sharp(bytes).metadata()).format).toBe(format);
    const path = join(folder, `image.${format}`);
    await writeFile(path, bytes);
    await expect(sharp(path).metadata()).rejects.toThrow('unsupported image format');
  });

  it('still takes raw pixels', async () => {
    const raw = { width: 4, height: 4, channels: 3 } as const;
    await expect(sharp(photoPixels(4, 4), { raw }).png().toBuffer()).resolves.toBeInstanceOf(Buffer);
  });

  it('reads no other format, not even a well-formed one', async () => {
    const image = sharp(photoPixels(8, 8), { raw: { width: 8, height: 8, channels: 3 } });
    const others = [
      NOT_IMAGES['svg'],
      NOT_IMAGES['pdf'],
      await image.clone().tiff().toBuffer(),
      await image.clone().avif().toBuffer(),
      Buffer.from('P6 1 1 255\nabc'),
    ];
    for (const bytes of others) {
      await expect(sharp(bytes).metadata()).rejects.toThrow('unsupported image format');
    }
  });

  it('has no cache and one thread per image', () => {
    expect(sharp.cache()).toMatchObject({ memory: { max: 0 }, files: { max: 0 }, items: { max: 0 } });
    expect(sharp.concurrency()).toBe(1);
    expect(process.env['VIPS_BLOCK_UNTRUSTED']).toBe('1');
  });

  it('refuses more pixels than it is told to take', async () => {
    const png = await pngImage(40, 30);
    await expect(sharp(png, untrustedInput(1199, 'warning')).metadata()).rejects.toThrow('pixel limit');
    await expect(sharp(png, untrustedInput(1200, 'warning')).metadata()).resolves.toMatchObject({
      width: 40,
    });
  });
});
