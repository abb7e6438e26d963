import { describe, expect, it } from 'vitest';
import { decodeCost, planDerivatives } from './image-geometry.js';

const size = (width: number, height: number) => ({ width, height });

describe(planDerivatives.name, () => {
  it.each([
    {
      name: 'a landscape photo',
      image: size(4000, 3000),
      medium: size(800, 600),
      intermediate: size(800, 600),
    },
    {
      name: 'a portrait photo',
      image: size(3000, 4000),
      medium: size(800, 1067),
      intermediate: size(800, 1067),
    },
    { name: 'a panorama', image: size(10_000, 1000), medium: size(800, 80), intermediate: size(2000, 200) },
    { name: 'a small image', image: size(300, 250), medium: size(300, 250), intermediate: size(300, 250) },
    { name: 'the exact width', image: size(800, 500), medium: size(800, 500), intermediate: size(800, 500) },
  ])('shrinks $name once, to just what both derivatives need', ({ image, medium, intermediate }) => {
    expect(planDerivatives(image)).toEqual({ medium, intermediate, thumbnail: size(200, 200) });
  });

  it.each([
    { image: size(50, 30), thumbnail: size(50, 30) },
    { image: size(50, 3000), thumbnail: size(50, 200) },
    { image: size(3000, 50), thumbnail: size(200, 50) },
    { image: size(1, 1), thumbnail: size(1, 1) },
  ])(
    'cuts a thumbnail of $image.width × $image.height to what is there, without enlarging',
    ({ image, thumbnail }) => {
      expect(planDerivatives(image).thumbnail).toEqual(thumbnail);
    },
  );

  it('keeps a very tall image within what WebP can hold', () => {
    expect(planDerivatives(size(100, 60_000)).medium).toEqual(size(27, 16_383));
  });

  it('never plans a side of nothing', () => {
    expect(planDerivatives(size(100_000, 1)).medium).toEqual(size(800, 1));
  });
});

describe(decodeCost.name, () => {
  const shape = { width: 4000, height: 3000, whole: false, bytesPerPixel: 4, tableBytes: 0 };
  const small = size(10, 10);

  it('counts a streaming decode as the rows it holds, and any other as the whole image', () => {
    expect(decodeCost(shape, small)).toBe(4_000_250);
    expect(decodeCost({ ...shape, whole: true }, small)).toBe(12_000_250);
  });

  it('counts larger pixels as so many more', () => {
    expect(decodeCost({ ...shape, whole: true, bytesPerPixel: 8 }, small)).toBe(24_000_250);
    expect(decodeCost({ ...shape, whole: true, bytesPerPixel: 2 }, small)).toBe(6_000_250);
  });

  it('counts the intermediate with what its encoders need: of a tall image more than of its decode', () => {
    const tall = { ...shape, width: 800, height: 16_383 };
    expect(decodeCost(tall, size(800, 16_383))).toBe(800_000 + 32_766_000);
  });

  it('counts what a decoder needs beside its pixels', () => {
    expect(decodeCost({ ...shape, tableBytes: 8_000_001 }, small)).toBe(6_000_251);
  });
});
