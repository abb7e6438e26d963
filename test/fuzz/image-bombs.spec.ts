import { afterAll, describe, expect, it } from 'vitest';
import { gifBomb, webpImage } from '../support/images.js';
import { printFigures } from '../support/run-options.js';
import { jpegSegment, pngChunk } from './image-blocks.js';
import { gifOfFrames } from './image-bombs-gif.js';
import {
  cyclicExif,
  exifSegment,
  jpegInScans,
  jpegWithSegments,
  overlappingExif,
  profileSegments,
  progressiveInScans,
} from './image-bombs-jpeg.js';
import {
  animatedPng,
  blackPng,
  deflatedZeros,
  internationalTextBomb,
  profileBombs,
  profileHead,
  textBombs,
} from './image-bombs-png.js';
import {
  lossyWebpBomb,
  plainLosslessWebp,
  webpOfFrames,
  webpWith,
  webpWithCodeTables,
} from './image-bombs-webp.js';
import { ImageChild, type Outcome } from './image-child.js';
import { flawOf } from './image-verdict.js';

/** The defaults of the application, written out because the bounds below follow from them. */
const MAX_PIXELS = 100_000_000;
const TIMEOUT_SECONDS = 60;
const IMAGE_MAX_BYTES = 10 * 1024 * 1024;
const OPTIONS = {
  environment: { IMAGE_MAX_PIXELS: String(MAX_PIXELS), PROCESSING_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS) },
  patienceMs: (TIMEOUT_SECONDS + 30) * 1_000,
};

/**
 * In MiB. A process that has decoded nothing yet takes about 90; a file may have ten, which are copied a few times on
 * their way; a profile that unpacks to all it may takes 70.
 */
const SMALL = 220;
/** Decoders together may hold six bytes for each of 100 million pixels, and there are encoders after them. */
const LARGE = 900;

interface Bomb {
  readonly mimeType: string;
  readonly make: () => Buffer | Promise<Buffer>;
  /** `ready`, or a code. */
  readonly expected: string;
  readonly megabytes: number;
}

function png(expected: string, megabytes: number, make: Bomb['make']): Bomb {
  return { mimeType: 'image/png', make, expected, megabytes };
}

function jpeg(expected: string, megabytes: number, make: Bomb['make']): Bomb {
  return { mimeType: 'image/jpeg', make, expected, megabytes };
}

function gif(expected: string, megabytes: number, make: Bomb['make']): Bomb {
  return { mimeType: 'image/gif', make, expected, megabytes };
}

function webp(expected: string, megabytes: number, make: Bomb['make']): Bomb {
  return { mimeType: 'image/webp', make, expected, megabytes };
}

const SMALL_PNG = { width: 64, height: 64 };
const HUGE: readonly [number, number] = [60_000, 60_000];

const DECLARED: Readonly<Record<string, Bomb>> = {
  'PNG of 60,000 × 60,000 in 16 bits, interlaced': png('too_many_pixels', SMALL, () =>
    blackPng({ width: 60_000, height: 60_000, bits: 16, colour: 6, interlaced: true }, [], 1_000),
  ),
  'PNG of the largest number there is': png('too_many_pixels', SMALL, () =>
    blackPng({ width: 0x7fff_ffff, height: 0x7fff_ffff }, [], 1_000),
  ),
  'GIF of one pixel with a frame of 60,000 × 60,000': gif('too_many_pixels', SMALL, () =>
    gifOfFrames({ canvas: [1, 1], frame: HUGE, count: 1, filled: false }),
  ),
  'GIF of 65,535 × 65,535': gif('too_many_pixels', SMALL, () => gifBomb(65_535, 65_535)),
  'lossless WebP of 16,383 × 16,383': webp('too_many_pixels', SMALL, () => plainLosslessWebp(16_383, 16_383)),
  'lossy WebP of 16,383 × 16,383': webp('too_many_pixels', SMALL, async () =>
    lossyWebpBomb(await webpImage(16, 16), 16_383, 16_383),
  ),
  'WebP of 60,000 × 60,000 with frames': webp('too_many_pixels', SMALL, () =>
    webpOfFrames({ canvas: HUGE, declared: [64, 64], coded: [64, 64], count: 2 }),
  ),
  'WebP whose frame is larger than its canvas': webp('unreadable', SMALL, () =>
    webpOfFrames({ canvas: [64, 64], declared: HUGE, coded: [16_384, 16_384], count: 2 }),
  ),
  'JPEG of 65,500 × 65,500': jpeg('too_many_pixels', SMALL, () =>
    jpegInScans({ width: 65_500, height: 65_500, components: 3, scans: 3 }),
  ),
  'JPEG of 10,000 × 10,000 in four inks, each in a scan of its own': jpeg('too_many_pixels', SMALL, () =>
    jpegInScans({ width: 10_000, height: 10_000, components: 4, scans: 4 }),
  ),
  'PNG of 10,000 × 10,000 in 16 bits, interlaced': png('too_many_pixels', SMALL, () =>
    blackPng({ width: 10_000, height: 10_000, bits: 16, colour: 6, interlaced: true }),
  ),
  'WebP of 10,000 × 10,000 with frames': webp('too_many_pixels', SMALL, () =>
    webpOfFrames({ canvas: [10_000, 10_000], declared: [9_998, 9_998], coded: [9_998, 9_998], count: 2 }),
  ),
};

/** As many pixels as anybody may have, in as few bytes as the format allows; those of `AT_ONCE` as well. */
const FULL_SIZE: Readonly<Record<string, Bomb>> = {
  'GIF with data for every pixel': gif('ready', LARGE, () =>
    gifOfFrames({ canvas: [10_000, 10_000], frame: [10_000, 10_000], count: 1, filled: true }),
  ),
  'lossless WebP of one colour': webp('ready', LARGE, () => plainLosslessWebp(10_000, 10_000)),
  PNG: png('ready', LARGE, () => blackPng({ width: 10_000, height: 10_000, bits: 16, colour: 6 })),
  'interlaced PNG': png('ready', LARGE, () =>
    blackPng({ width: 8_600, height: 8_600, bits: 16, colour: 6, interlaced: true }),
  ),
  'PNG of a single endless row': png('ready', SMALL, () => blackPng({ width: 100_000, height: 1 })),
  'JPEG in separate scans that end too early': jpeg('truncated', LARGE, () =>
    jpegInScans({ width: 10_000, height: 10_000, components: 3, scans: 3 }),
  ),
  'JPEG of as many scans as it may have': jpeg('ready', LARGE, () => progressiveInScans(5_000, 100)),
};

const REPEATED: Readonly<Record<string, Bomb>> = {
  'GIF of 1,000 frames of 9,999 × 9,999': gif('too_many_frames', SMALL, () =>
    gifOfFrames({ canvas: [9_999, 9_999], frame: [9_999, 9_999], count: 1_000, filled: false }),
  ),
  'WebP of 20 frames of 8,000 × 8,000': webp('too_many_frames', SMALL, () =>
    webpOfFrames({ canvas: [8_000, 8_000], declared: [7_998, 7_998], coded: [7_998, 7_998], count: 20 }),
  ),
  'APNG that announces four billion frames': png('ready', SMALL, () => animatedPng(0xffff_ffff, 2)),
  'APNG of 90,000 frames': png('ready', SMALL, () => animatedPng(90_000, 90_000)),
  'JPEG of 5,000 scans': jpeg('unreadable', SMALL, () =>
    jpegInScans({ width: 1_000, height: 1_000, components: 3, scans: 5_000 }),
  ),
  'JPEG of 5,000 scans with filling in between': jpeg('unreadable', SMALL, () =>
    jpegInScans({ width: 16, height: 16, components: 3, scans: 5_000, filling: Buffer.alloc(7, 0xff) }),
  ),
  'JPEG of 100,000 segments': jpeg('ready', SMALL, () =>
    jpegWithSegments(Array.from({ length: 100_000 }, () => jpegSegment(0xe5, Buffer.alloc(80)))),
  ),
  'PNG of 200,000 unknown chunks': png('ready', SMALL, () =>
    blackPng(
      SMALL_PNG,
      Array.from({ length: 200_000 }, () => pngChunk('abCd', Buffer.alloc(30))),
    ),
  ),
};

const COMPANY: Readonly<Record<string, Bomb>> = {
  'PNG whose data goes on for a gigabyte': png('ready', SMALL, () => blackPng(SMALL_PNG, [], 1_000_000_000)),
  'PNG with 19 texts of 8 MB each': png('ready', SMALL, () => blackPng(SMALL_PNG, textBombs(19))),
  'PNG with 1,000 texts of 8 MB each': png('ready', SMALL, () => blackPng(SMALL_PNG, textBombs(1_000))),
  'PNG with XMP of 4 GB': png('ready', SMALL, () =>
    blackPng(SMALL_PNG, [internationalTextBomb(4_000_000_000)]),
  ),
  'PNG with a profile of 1 GB': png('ready', SMALL, () =>
    blackPng(SMALL_PNG, [
      pngChunk('iCCP', Buffer.concat([Buffer.from('icc\0\0', 'latin1'), deflatedZeros(1_000_000_000)])),
    ]),
  ),
  'PNG with 900 profiles of 8 MB each': png('ready', SMALL, () => blackPng(SMALL_PNG, profileBombs(900))),
  'JPEG with a profile that claims 4 GB': jpeg('ready', SMALL, () =>
    jpegWithSegments(profileSegments(profileHead(0xffff_ffff, 9_000_000))),
  ),
  'WebP with a profile of 9 MB': webp('ready', SMALL, () => webpWith('ICCP', profileHead(9_000_000))),
  'JPEG with EXIF directories in a circle': jpeg('ready', SMALL, () =>
    jpegWithSegments([exifSegment(cyclicExif(1))]),
  ),
  'JPEG with 1,500 nested EXIF directories': jpeg('ready', SMALL, () =>
    jpegWithSegments([exifSegment(cyclicExif(1_500))]),
  ),
  'JPEG with 140 EXIF blocks that overlap themselves': jpeg('ready', SMALL, () =>
    jpegWithSegments(Array.from({ length: 140 }, () => exifSegment(overlappingExif(65_000, 5_000)))),
  ),
  'PNG with EXIF of 7 MB that overlaps itself': png('ready', SMALL, () =>
    blackPng(SMALL_PNG, [pngChunk('eXIf', overlappingExif(7_900_000, 65_000))]),
  ),
  'WebP with EXIF of 9 MB that overlaps itself': webp('ready', SMALL, () =>
    webpWith('EXIF', overlappingExif(9_000_000, 65_000)),
  ),
  'WebP with EXIF of 60,000 nested directories': webp('ready', SMALL, () =>
    webpWith('EXIF', cyclicExif(60_000)),
  ),
  'WebP with EXIF of texts of 4 GB': webp('ready', SMALL, () =>
    webpWith('EXIF', overlappingExif(65_000, 5_000, 0xffff_ffff)),
  ),
};

/** More than one of which would not fit, though each of them is allowed. */
const AT_ONCE: Readonly<Record<string, Bomb>> = {
  'GIFs of 43 bytes': gif('ready', LARGE, () => gifBomb(10_000, 10_000)),
  'WebPs with frames': webp('ready', LARGE, () =>
    webpOfFrames({ canvas: [8_600, 8_600], declared: [8_598, 8_598], coded: [8_598, 8_598], count: 2 }),
  ),
  'WebPs of 65,536 sets of code tables': webp('ready', LARGE, webpWithCodeTables),
  'PNGs as tall as a derivative may be': png('ready', LARGE, () => blackPng({ width: 800, height: 16_383 })),
};

function answerOf(outcome: Outcome): string {
  return outcome.kind === 'failed'
    ? outcome.code
    : outcome.kind === 'ready'
      ? 'ready'
      : `${outcome.kind}: ${outcome.detail}`;
}

describe('the image worker, given bombs', () => {
  const figures = { files: 0, 'slowest ms': 0, 'peak RSS MB, small': 0, 'peak RSS MB, large': 0 };

  afterAll(() => printFigures('Image bombs', figures));

  /** What comes of a bomb in such a process, any number of times at once. */
  async function explode(child: ImageChild, { mimeType, make, megabytes }: Bomb, times = 1) {
    const bytes = await make();
    const file = { bytes, mimeType, fileSize: bytes.length };
    const results = await Promise.all(Array.from({ length: times }, () => child.process(file)));
    const size = megabytes === SMALL ? 'peak RSS MB, small' : 'peak RSS MB, large';
    figures.files += 1;
    figures['slowest ms'] = Math.max(figures['slowest ms'], ...results.map(({ ms }) => Math.round(ms)));
    figures[size] = Math.max(figures[size], Math.round(child.peakMegabytes));
    return {
      bytes: bytes.length,
      answers: [...new Set(results.map(({ outcome }) => answerOf(outcome)))],
      flaws: await Promise.all(results.map(({ outcome }) => flawOf(file, outcome, MAX_PIXELS))),
      peakMegabytes: child.peakMegabytes,
    };
  }

  async function explodeAlone(bomb: Bomb, times = 1) {
    const child = new ImageChild({ ...OPTIONS, patienceMs: OPTIONS.patienceMs * times });
    try {
      return await explode(child, bomb, times);
    } finally {
      await child.stop();
    }
  }

  // In one process for all of a group, what each may take of memory is what all of them together may take.
  describe.each([
    ['that declare more than is allowed', DECLARED, true],
    ['that have all that is allowed', FULL_SIZE, false],
    ['of many parts', REPEATED, false],
    ['with large company', COMPANY, true],
  ] as const)('%s', (_, bombs, together) => {
    let child: ImageChild | null = null;

    afterAll(() => child?.stop());

    it.each(Object.entries(bombs))('%s', { timeout: 120_000 }, async (__, bomb) => {
      if (together) {
        // One that a bomb took down would have no answer for the next.
        child = child?.isAlive ? child : new ImageChild(OPTIONS);
      }
      const found = await (child === null ? explodeAlone(bomb) : explode(child, bomb));
      expect(found).toMatchObject({ answers: [bomb.expected], flaws: [null] });
      expect(found.bytes).toBeLessThanOrEqual(IMAGE_MAX_BYTES);
      expect(found.peakMegabytes).toBeLessThan(bomb.megabytes);
    });
  });

  describe('two at once, which only fit one after the other', () => {
    it.each(Object.entries(AT_ONCE))('%s', { timeout: 300_000 }, async (_, bomb) => {
      const found = await explodeAlone(bomb, 2);
      expect(found).toMatchObject({ answers: [bomb.expected], flaws: [null, null] });
      expect(found.peakMegabytes).toBeLessThan(bomb.megabytes);
    });
  });
});
