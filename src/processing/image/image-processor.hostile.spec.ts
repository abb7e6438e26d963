import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pngChunk } from '../../../test/fuzz/image-blocks.js';
import {
  gifAnimation,
  gifBomb,
  gifImage,
  gifWithFrames,
  jpegBomb,
  jpegWithScans,
  NOT_IMAGES,
  photo,
  pngBomb,
  pngImage,
  progressiveJpeg,
  seededRandom,
  truncated,
  webpAnimation,
  webpBomb,
  webpImage,
  webpWithFrames,
  withJpegSegment,
} from '../../../test/support/images.js';
import { ImageProcessor } from './image-processor.js';
import { PermanentFault, ProcessingTimeout } from './processing-fault.js';
import { sharp } from './sharp-hardening.js';

const sut = new ImageProcessor({ maxPixels: 100_000_000, timeoutSeconds: 60 });

const samples: readonly (readonly [name: string, mimeType: string, make: () => Promise<Buffer>])[] = [
  ['JPEG', 'image/jpeg', () => photo(240, 180)],
  ['progressive JPEG', 'image/jpeg', () => progressiveJpeg(240, 180)],
  ['PNG', 'image/png', () => pngImage(240, 180, { alpha: true })],
  ['interlaced PNG', 'image/png', () => pngImage(240, 180, { progressive: true })],
  ['GIF', 'image/gif', () => gifImage(240, 180)],
  ['animated GIF', 'image/gif', () => gifAnimation(4)],
  ['WebP', 'image/webp', () => webpImage(240, 180, { alpha: true })],
  ['animated WebP', 'image/webp', () => webpAnimation(4)],
];

const FORESEEN = ['image', 'type_mismatch', 'truncated', 'unreadable', 'too_many_pixels', 'too_many_frames'];

/** "image" when one comes out, else the fault's code; any other error says that it was not meant to happen. */
async function outcomeOf(bytes: Buffer, mimeType: string, processor = sut): Promise<string> {
  try {
    const { medium, thumbnail } = await processor.process(bytes, mimeType);
    return medium.length > 0 && thumbnail.length > 0 ? 'image' : 'empty derivatives';
  } catch (error) {
    return error instanceof PermanentFault ? error.code : `unexpected: ${String(error)}`;
  }
}

function inks(width: number, progressive: boolean): Promise<Buffer> {
  return sharp({ create: { width, height: 200, channels: 3, background: 'teal' } })
    .toColourspace('cmyk')
    .jpeg({ progressive })
    .toBuffer();
}

function deepPng(width: number, progressive: boolean): Promise<Buffer> {
  return sharp({ create: { width, height: 200, channels: 4, background: 'teal' } })
    .toColourspace('rgb16')
    .png({ progressive })
    .toBuffer();
}

describe(`${ImageProcessor.name}, given hostile or broken files`, () => {
  it.each(Object.entries(NOT_IMAGES))('refuses %s, whatever it is declared as', async (_, bytes) => {
    for (const mimeType of ['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/svg+xml']) {
      expect(await outcomeOf(bytes, mimeType)).toBe('type_mismatch');
    }
  });

  it('refuses real images of formats that are not on the list', async () => {
    const tiff = await sharp(await pngImage(40, 30))
      .tiff()
      .toBuffer();
    const avif = await sharp(await pngImage(40, 30))
      .avif()
      .toBuffer();
    expect(await outcomeOf(tiff, 'image/tiff')).toBe('type_mismatch');
    expect(await outcomeOf(avif, 'image/jpeg')).toBe('type_mismatch');
  });

  it('refuses an image that is not the format it was declared as', async () => {
    expect(await outcomeOf(await photo(40, 30), 'image/png')).toBe('type_mismatch');
    expect(await outcomeOf(await pngImage(40, 30), 'image/jpeg')).toBe('type_mismatch');
    expect(await outcomeOf(await webpImage(40, 30), 'image/gif')).toBe('type_mismatch');
  });

  it('refuses random bytes and no bytes', async () => {
    const random = seededRandom(11);
    expect(
      await outcomeOf(Buffer.from(Array.from({ length: 5000 }, () => random() * 256)), 'image/jpeg'),
    ).toBe('type_mismatch');
    expect(await outcomeOf(Buffer.alloc(0), 'image/jpeg')).toBe('truncated');
  });

  it('refuses a signature with garbage behind it', async () => {
    const garbage = Buffer.alloc(500, 0x5a);
    const signatures = {
      jpeg: 'ffd8ff',
      png: '89504e470d0a1a0a',
      gif: '474946383961',
      webp: '52494646f401000057454250',
    };
    for (const [format, signature] of Object.entries(signatures)) {
      const processing = sut.process(
        Buffer.concat([Buffer.from(signature, 'hex'), garbage]),
        `image/${format}`,
      );
      await expect(processing).rejects.toBeInstanceOf(PermanentFault);
    }
  });

  describe.each(samples)('%s', (_, mimeType, make) => {
    it.each([0.05, 0.3, 0.5, 0.9, 0.99, -20, -4, -2, -1])('is refused when cut (%f)', async (fraction) => {
      expect(await outcomeOf(truncated(await make(), fraction), mimeType)).toBe('truncated');
    });

    it('survives any damage: an image comes out, or a permanent fault', async () => {
      const bytes = await make();
      const random = seededRandom(2024);
      for (let round = 0; round < 25; round += 1) {
        expect(FORESEEN).toContain(await outcomeOf(mutate(bytes, random), mimeType));
      }
    });
  });

  it.each([
    ['PNG', 'image/png', pngBomb(60_000, 60_000)],
    ['GIF', 'image/gif', gifBomb(60_000, 60_000)],
    ['WebP', 'image/webp', webpBomb(60_000, 60_000)],
    ['JPEG', 'image/jpeg', jpegBomb(60_000, 60_000)],
    ['PNG with an endless side', 'image/png', pngBomb(1_000_000, 10)],
  ])('refuses a decompression bomb from its header (%s)', async (_, mimeType, bytes) => {
    expect(await outcomeOf(bytes, mimeType)).toBe('too_many_pixels');
  });

  it('accepts exactly as many pixels as it may', async () => {
    const strict = new ImageProcessor({ maxPixels: 1200, timeoutSeconds: 60 });
    await expect(strict.process(await pngImage(40, 30), 'image/png')).resolves.toMatchObject({ width: 40 });
    expect(await outcomeOf(await pngImage(41, 30), 'image/png', strict)).toBe('too_many_pixels');
  });

  it.each([
    ['GIF', 'image/gif', gifWithFrames],
    ['WebP', 'image/webp', webpWithFrames],
  ] as const)(
    'refuses more than 1,000 frames in a %s, before a decoder sees them',
    async (_, mimeType, make) => {
      await expect(sut.process(make(1000), mimeType)).resolves.toMatchObject({ metadata: { frames: 1000 } });
      expect(await outcomeOf(make(1001), mimeType)).toBe('too_many_frames');
      expect(await outcomeOf(make(100_000), mimeType)).toBe('too_many_frames');
    },
  );

  it('refuses an animation of more pixels than ten of the largest images', async () => {
    const strict = new ImageProcessor({ maxPixels: 120 * 90, timeoutSeconds: 60 });
    await expect(strict.process(await gifAnimation(10), 'image/gif')).resolves.toMatchObject({ width: 120 });
    expect(await outcomeOf(await gifAnimation(11), 'image/gif', strict)).toBe('too_many_frames');
  });

  it('refuses a JPEG of more scans than any camera writes: no time-out could stop its decoder', async () => {
    await expect(sut.process(await jpegWithScans(60), 'image/jpeg')).resolves.toMatchObject({ width: 320 });
    expect(await outcomeOf(await jpegWithScans(101), 'image/jpeg')).toBe('unreadable');
  });

  it('refuses picture data that is damaged although the file is whole', async () => {
    const png = Buffer.from(await pngImage(240, 180));
    png.fill(0, png.length / 2, png.length / 2 + 40);
    expect(await outcomeOf(png, 'image/png')).toBe('unreadable');
    const jpeg = await photo(240, 180);
    expect(await outcomeOf(Buffer.concat([truncated(jpeg, 0.5), jpeg.subarray(-2)]), 'image/jpeg')).toBe(
      'truncated',
    );
  });

  it('accepts the oddities of real cameras', async () => {
    const jpeg = await photo(240, 180);
    const scan = jpeg.indexOf(Buffer.from([0xff, 0xda]));
    const spectralStart = scan + 5 + 2 * (jpeg[scan + 4] ?? 0);
    const odd = {
      'more pictures and a video behind the first one': Buffer.concat([
        jpeg,
        jpeg,
        Buffer.from('MotionPhoto_Data'),
      ]),
      'stray bytes before the end': Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(9), jpeg.subarray(-2)]),
      'stray bytes between headers': Buffer.concat([
        jpeg.subarray(0, 20),
        Buffer.from([1, 2, 3]),
        jpeg.subarray(20),
      ]),
      'fill bytes before a marker': Buffer.concat([
        jpeg.subarray(0, -2),
        Buffer.alloc(9, 0xff),
        jpeg.subarray(-2),
      ]),
      'scan parameters that make no sense': jpeg.with(spectralStart, 0).with(spectralStart + 1, 0),
      'an unknown colour transform': withJpegSegment(
        jpeg,
        0xee,
        Buffer.from('Adobe\0d\0\0\0\0\x05', 'latin1'),
      ),
      'EXIF that is garbage': withJpegSegment(jpeg, 0xe1, Buffer.from(`Exif\0\0${'garbage'.repeat(20)}`)),
      'a colour profile that is garbage': withJpegSegment(
        jpeg,
        0xe2,
        Buffer.from(`ICC_PROFILE\0\x01\x01${'x'.repeat(300)}`),
      ),
      'large unknown segments': withJpegSegment(jpeg, 0xeb, Buffer.alloc(60_000, 7)),
    };
    const outcomes: Record<string, string> = {};
    for (const [name, bytes] of Object.entries(odd)) {
      outcomes[name] = await outcomeOf(Buffer.from(bytes), 'image/jpeg');
    }
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(odd).map((name) => [name, 'image'])));
  });

  it('knows a harmless oddity by what the decoder says, whatever other files make it say meanwhile', async () => {
    const jpeg = await photo(640, 480);
    const scan = jpeg.indexOf(Buffer.from([0xff, 0xda]));
    const spectralStart = scan + 5 + 2 * (jpeg[scan + 4] ?? 0);
    const odd = Buffer.from(jpeg.with(spectralStart, 0).with(spectralStart + 1, 0));
    const cut = Buffer.concat([truncated(await photo(64, 48), 0.5), jpeg.subarray(-2)]);
    const damaged = Buffer.from(await pngImage(60, 40)).fill(0, 60, 70);
    const lanes = {
      image: [odd, 'image/jpeg', 60],
      truncated: [cut, 'image/jpeg', 200],
      unreadable: [damaged, 'image/png', 200],
    } as const;
    const outcomes = await Promise.all(
      Object.entries(lanes).map(async ([expected, [bytes, mimeType, times]]) => {
        const found = new Set<string>();
        for (let round = 0; round < times; round += 1) {
          found.add(await outcomeOf(bytes, mimeType));
        }
        return { expected, found: [...found] };
      }),
    );
    expect(outcomes).toEqual(Object.keys(lanes).map((expected) => ({ expected, found: [expected] })));
  });

  it('blames a GIF whose frame lies further out than a canvas can reach, and not the memory', async () => {
    const gif = Buffer.from(await gifImage(64, 48));
    const frame = gif.indexOf(Buffer.from([0x2c, 0, 0, 0, 0, 64, 0, 48, 0]));
    gif.writeUInt16LE(0xffff, frame + 1);
    expect(await outcomeOf(gif, 'image/gif')).toBe('unreadable');
  });

  it('never unpacks the texts in a PNG: a megabyte of them would take three gigabytes', async () => {
    const png = await pngImage(40, 30);
    const packed = deflateSync(Buffer.alloc(7_900_000, 'x'), { level: 9 });
    const texts = Array.from({ length: 150 }, (_, index) =>
      pngChunk('zTXt', Buffer.concat([Buffer.from(`Comment ${index}\0\0`, 'latin1'), packed])),
    );
    const bytes = Buffer.concat([png.subarray(0, 33), ...texts, png.subarray(33)]);
    const before = process.resourceUsage().maxRSS;
    await expect(sut.process(bytes, 'image/png')).resolves.toMatchObject({ width: 40, height: 30 });
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(300 * 1024);
  });

  it('refuses an image of which a decoder would hold more than six bytes for each pixel allowed', async () => {
    const strict = new ImageProcessor({ maxPixels: 200 * 200, timeoutSeconds: 60 });
    for (const [make, mimeType] of [
      [inks, 'image/jpeg'],
      [deepPng, 'image/png'],
    ] as const) {
      expect(await outcomeOf(await make(200, true), mimeType, strict)).toBe('too_many_pixels');
      expect(await outcomeOf(await make(150, true), mimeType, strict)).toBe('image');
      expect(await outcomeOf(await make(200, false), mimeType, strict)).toBe('image');
    }
    expect(await outcomeOf(await progressiveJpeg(200, 200), 'image/jpeg', strict)).toBe('image');
    expect(await outcomeOf(await webpAnimation(2, 200, 200), 'image/webp', strict)).toBe('too_many_pixels');
    expect(await outcomeOf(await webpAnimation(2, 150, 200), 'image/webp', strict)).toBe('image');
    expect(await outcomeOf(await gifAnimation(2, 200, 200), 'image/gif', strict)).toBe('image');
  });

  it('reads EXIF that is made to exhaust a reader in no time', async () => {
    const exif = Buffer.alloc(65_000);
    exif.write('Exif\0\0II*\0\x08\0\0\0', 'latin1');
    exif.writeUInt16LE(5000, 14);
    for (let entry = 0; entry < 5000; entry += 1) {
      exif.set([0, 0xc0, 1, 0, 0x60, 0xea, 0, 0, 8, 0, 0, 0], 16 + entry * 12);
    }
    const image = await sut.process(withJpegSegment(await photo(240, 180), 0xe1, exif), 'image/jpeg');
    expect(image.metadata.takenAt).toBeNull();
  });

  it('stops when its time is up, without blaming the file', async () => {
    const hasty = new ImageProcessor({ maxPixels: 100_000_000, timeoutSeconds: 0 });
    await expect(hasty.process(await photo(240, 180), 'image/jpeg')).rejects.toBeInstanceOf(
      ProcessingTimeout,
    );
  });
});

/** Flips, overwrites, doubles or removes some bytes. */
function mutate(original: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(original);
  const at = Math.floor(random() * bytes.length);
  const length = Math.floor(random() * 64) + 1;
  const kind = Math.floor(random() * 4);
  if (kind === 0) {
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
  }
  if (kind === 1) {
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]);
  }
  const early = kind === 2 ? Math.floor(random() * Math.min(200, bytes.length)) : at;
  for (let index = early; index < Math.min(bytes.length, early + length); index += 1) {
    bytes[index] = Math.floor(random() * 256);
  }
  return bytes;
}
