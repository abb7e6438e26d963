import { describe, expect, it } from 'vitest';
import { pngChunk } from '../../../test/fuzz/image-blocks.js';
import { pngImage, seededRandom } from '../../../test/support/images.js';
import { withoutTexts } from './png-texts.js';

const texts = ['tEXt', 'zTXt', 'iTXt'].map((type) =>
  pngChunk(type, Buffer.from('Comment\0secret', 'latin1')),
);
const AFTER_HEADER = 33;

describe(withoutTexts.name, () => {
  it('takes every text out of a PNG, and nothing else', async () => {
    const png = await pngImage(20, 15);
    const end = png.length - 12;
    const full = [
      png.subarray(0, AFTER_HEADER),
      ...texts,
      png.subarray(AFTER_HEADER, end),
      ...texts,
      png.subarray(end),
    ];
    expect(withoutTexts(Buffer.concat(full))).toEqual(png);
  });

  it('copies nothing when there are none', async () => {
    const png = await pngImage(20, 15);
    expect(withoutTexts(png)).toBe(png);
  });

  it('leaves no text of a PNG that is cut off in the middle of one', async () => {
    const head = (await pngImage(20, 15)).subarray(0, AFTER_HEADER);
    for (let cut = 1; cut < 14; cut += 1) {
      const file = Buffer.concat([head, ...texts]).subarray(0, -cut);
      expect(withoutTexts(file)).toEqual(head);
    }
  });

  it('survives random bytes and lying lengths without throwing', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 300; round += 1) {
      const noise = Buffer.from(Array.from({ length: round }, () => Math.floor(random() * 256)));
      expect(withoutTexts(noise).length).toBeLessThanOrEqual(noise.length);
      expect(() => withoutTexts(Buffer.concat([...texts, noise]))).not.toThrow();
    }
  });
});
