import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { LocalObjectStorage } from '../../src/storage/local/local-object-storage.js';
import { ImageChild } from '../fuzz/image-child.js';
import { sha256, until } from '../support/api-client.js';
import {
  blackPng,
  otherImagesWithGps,
  PAYLOAD,
  pngTextBomb,
  polyglots,
  turnedJpegWithGps,
  webpFrameBomb,
} from '../support/hostile-images.js';
import * as images from '../support/images.js';
import { refusalOf } from '../support/openapi-problem.js';
import { download, MISMATCH, PictureStage, rejected } from '../support/picture-stage.js';

const { CORNERS, gifImage, NOT_IMAGES, photo, pngBomb, pngImage, PRIVATE_TEXT, truncated, webpImage } =
  images;
const JPEG = 'image/jpeg';

let stage: PictureStage;

beforeAll(async () => {
  stage = await PictureStage.start({ WORKER_CONCURRENCY: '2' });
});
afterAll(async () => stage.close());

const NO_TRACES = { text: false };

/** All that a picture may tell beside its pixels. */
async function tracesIn(picture: Buffer): Promise<object> {
  const { exif, xmp, iptc, icc, orientation } = await sharp(picture).metadata();
  return { text: picture.includes(PRIVATE_TEXT), exif, xmp, iptc, icc, orientation };
}

/** Of a place given as shares of width and height. */
async function pixelAt(picture: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
  const at = (Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * info.channels;
  return [...data.subarray(at, at + 3)];
}

describe('3: zero-byte and truncated files rejected', () => {
  it('has no URL for nothing, and takes nothing for something', async () => {
    const user = stage.mallory;
    const request = { fileName: 'a.jpg', mimeType: JPEG, fileSize: 0 };
    expect(refusalOf(await user.requestUpload<unknown>(request))).toBe('400 validation_failed');
    expect(refusalOf(await user.uploadDirect<unknown>(Buffer.alloc(0), JPEG))).toBe('400 validation_failed');
    const { body: ticket } = await user.requestUpload({ ...request, fileSize: 1 });
    expect((await user.put(ticket, Buffer.alloc(0))).status).toBe(400);
    expect(refusalOf(await user.confirm<unknown>(ticket.mediaFileId))).toBe('409 file_not_found');
    const files = stage.mediadock.app.get(LocalObjectStorage, { strict: false });
    const nothing = { contentType: JPEG, contentLength: 0 };
    await files.receiveUpload(ticket.storageKey, Readable.from([]), nothing);
    expect(refusalOf(await user.confirm<unknown>(ticket.mediaFileId))).toBe('409 size_mismatch');
    expect(await stage.objectsOf(ticket.mediaFileId)).toEqual([]);
  });

  it.each([
    [JPEG, photo],
    ['image/png', pngImage],
    ['image/gif', gifImage],
    ['image/webp', webpImage],
  ])('fails a picture that is cut in the middle, or by its last two bytes: %s', async (mimeType, make) => {
    const bytes = await make(200, 150);
    for (const cut of [truncated(bytes, 0.5), truncated(bytes, -2)]) {
      expect(await stage.remainsOf(await stage.process(cut, mimeType))).toEqual(rejected('truncated'));
    }
  });
});

describe('4: declared type and decoded format agree, the stored extension is ours', () => {
  it('refuses each format under the name of each other one', async () => {
    const pictures: Record<string, Buffer> = {
      [JPEG]: await photo(40, 30),
      'image/png': await pngImage(40, 30),
      'image/gif': await gifImage(40, 30),
      'image/webp': await webpImage(40, 30),
    };
    for (const declared of Object.keys(pictures)) {
      for (const [, bytes] of Object.entries(pictures).filter(([real]) => real !== declared)) {
        expect(await stage.smuggle(bytes, declared)).toEqual(MISMATCH);
      }
    }
  });

  it.each(['shell.php', 'page.html', 'a.jpg.svg', 'no extension', 'a.'])(
    'stores a PNG called "%s" as .png, with derivatives that are .webp',
    async (name) => {
      const ready = await stage.process(await pngImage(40, 30), 'image/png', name);
      expect(ready).toMatchObject({ status: 'ready', metadata: { format: 'png' } });
      const paths = [ready.publicUrl, ready.thumbnailUrl, ready.mediumUrl].map(
        (url) => new URL(String(url)).pathname,
      );
      expect(paths.map((path) => path.slice(path.lastIndexOf('.')))).toEqual(['.png', '.webp', '.webp']);
      const types = await Promise.all(
        paths.map(async (path) => (await fetch(stage.mediadock.baseUrl + path)).headers.get('content-type')),
      );
      expect(types).toEqual(['image/png', 'image/webp', 'image/webp']);
    },
  );
});

describe('5: polyglots and trailing payloads do not survive into derivatives; originals are served with a fixed image type, nosniff and a sandboxing CSP', () => {
  it('keeps a payload in the original only, which nobody can make a browser run', async () => {
    for (const [mimeType, bytes] of await polyglots()) {
      expect(bytes.indexOf(PAYLOAD)).not.toBe(bytes.lastIndexOf(PAYLOAD));
      const ready = await stage.process(bytes, mimeType, 'polyglot.html');
      expect(ready.status).toBe('ready');
      for (const derivative of [ready.thumbnailUrl, ready.mediumUrl]) {
        expect((await download(derivative)).toString('latin1')).not.toMatch(/script|php|PK/);
      }
      const url = String(ready.publicUrl);
      expect(sha256(await download(url))).toBe(sha256(bytes));
      for (const attempt of [url, `${url}?response-content-type=text/html`, `${url}?a.html`]) {
        const { headers } = await fetch(attempt, { headers: { accept: 'text/html' } });
        expect(Object.fromEntries(headers)).toMatchObject({
          'content-type': mimeType,
          'x-content-type-options': 'nosniff',
          'content-security-policy': "default-src 'none'; sandbox",
          'content-disposition': 'inline; filename=polyglot.html',
        });
      }
      for (const suffix of ['/a.html', '.html', ';a.html', '%00.html', '%2f..%2fa.html']) {
        expect((await fetch(url + suffix)).status).toBe(404);
      }
      expect((await fetch(url.replace('/media/', '/uploads/'))).status).toBe(404);
    }
  });
});

describe('6: SVG and every unlisted loader refused', () => {
  it('under their own type, under the type of a picture, and by the decoder itself', async () => {
    const picture = sharp(await pngImage(20, 20));
    const others: Record<string, Buffer> = {
      ...NOT_IMAGES,
      'image/svg+xml': Buffer.from(
        `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`,
      ),
      'image/tiff': await picture.clone().tiff().toBuffer(),
      'image/avif': await picture.clone().avif().toBuffer(),
      'image/bmp': Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]),
      'image/x-icon': Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 0]), Buffer.alloc(40)]),
      'image/jp2': Buffer.from('0000000c6a5020200d0a870a00000014667479706a703220', 'hex'),
      'image/jxl': Buffer.from('0000000c4a584c200d0a870a', 'hex'),
      'image/x-portable-pixmap': Buffer.from('P6 1 1 255\nabc'),
      'image/vnd.adobe.photoshop': Buffer.concat([Buffer.from('8BPS\0\x01'), Buffer.alloc(40)]),
      'application/postscript': Buffer.from('%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n'),
      'image/x-mvg': Buffer.from("push graphic-context\nfill 'url(http://127.0.0.1/)'\n"),
      'application/gzip': Buffer.from('1f8b08000000000000', 'hex'),
    };
    const user = stage.mallory;
    for (const [type, bytes] of Object.entries(others)) {
      const request = { fileName: 'a.jpg', mimeType: type, fileSize: bytes.length };
      expect(refusalOf(await user.requestUpload<unknown>(request))).toBe('415 invalid_type');
      expect(await stage.smuggle(bytes, JPEG)).toEqual(MISMATCH);
      await expect(sharp(bytes).metadata()).rejects.toThrow('unsupported image format');
    }
  });
});

describe('7: decompression bombs rejected in bounded memory and time', () => {
  /** A worker of its own, so that what it took can be seen, and it takes nobody with it. */
  const worker = new ImageChild({ patienceMs: 45_000 });
  afterAll(async () => worker.stop());

  it('a worker that gets all of them at once rejects them one by one, and stays below 500 MiB', async () => {
    const bombs: [expected: string, mimeType: string, bytes: Buffer][] = [
      ['too_many_pixels', 'image/png', pngBomb(60_000, 60_000)],
      ['too_many_pixels', 'image/gif', images.gifBomb(60_000, 60_000)],
      ['too_many_pixels', 'image/webp', images.webpBomb(16_000, 16_000)],
      ['too_many_pixels', JPEG, images.jpegBomb(65_500, 65_500)],
      ['too_many_frames', 'image/gif', images.gifWithFrames(100_000)],
      ['too_many_frames', 'image/webp', images.webpWithFrames(100_000)],
      ['unreadable', JPEG, await images.jpegWithScans(700)],
      // These two may be unpacked, but not at any price.
      ['ready', 'image/png', await pngTextBomb()],
      ['ready', 'image/png', blackPng(10_000, 9_900)],
    ];
    const outcomes = await Promise.all(
      bombs.map(async ([, mimeType, bytes]) => {
        const { outcome } = await worker.process({ bytes, mimeType, fileSize: bytes.length });
        return outcome.kind === 'failed' ? outcome.code : outcome.kind;
      }),
    );
    expect(outcomes).toEqual(bombs.map(([expected]) => expected));
    expect(worker.peakMegabytes).toBeLessThan(500);
  });

  it('costs its sender the file, and nobody else anything', async () => {
    expect(await stage.remainsOf(await stage.process(pngBomb(60_000, 60_000), 'image/png'))).toEqual(
      rejected('too_many_pixels'),
    );
    expect(await stage.process(await photo(30, 20), JPEG)).toMatchObject({ status: 'ready' });
  });
});

describe('9: pixels × frames checked before decode', () => {
  // None of these has pixels that a decoder could make anything of: whoever decoded first would call them damaged.
  it.each([
    ['a pixel row over the limit', 'image/png', () => pngBomb(10_000, 10_001), 'too_many_pixels'],
    ['a side without end', 'image/png', () => pngBomb(100_001, 1), 'too_many_pixels'],
    ['a frame over the limit', 'image/gif', () => images.gifWithFrames(1001), 'too_many_frames'],
    [
      '11 frames of the largest size',
      'image/webp',
      () => webpFrameBomb(11, 10_000, 10_000),
      'too_many_frames',
    ],
  ])('rejects %s', async (_what, mimeType, make, code) => {
    expect(await stage.remainsOf(await stage.process(make(), mimeType))).toEqual(rejected(code));
  });
});

describe('16: GPS/EXIF stripped from derivatives, all 8 orientations applied', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('shows a photo upright, and not where it was taken: %i', async (n) => {
    const original = await turnedJpegWithGps(n);
    expect((await sharp(original).metadata()).orientation).toBe(n);
    expect(original.includes(PRIVATE_TEXT)).toBe(true);
    const ready = await stage.process(original, JPEG);
    expect(ready).toMatchObject({ status: 'ready', width: 400, height: 240 });
    const places: [x: number, y: number, colour: images.Rgb][] = [
      [0.1, 0.1, CORNERS.topLeft],
      [0.9, 0.1, CORNERS.topRight],
      [0.1, 0.9, CORNERS.bottomLeft],
      [0.9, 0.9, CORNERS.bottomRight],
    ];
    for (const url of [ready.thumbnailUrl, ready.mediumUrl]) {
      const derivative = await download(url);
      expect(await tracesIn(derivative)).toEqual(NO_TRACES);
      for (const [x, y, colour] of places) {
        const found = await pixelAt(derivative, x, y);
        expect(
          Math.max(...colour.map((value, index) => Math.abs(value - Number(found[index])))),
        ).toBeLessThan(30);
      }
    }
  });

  it('does so for the other formats that can carry it', async () => {
    for (const [mimeType, bytes] of await otherImagesWithGps()) {
      expect((await sharp(bytes).metadata()).exif?.includes(PRIVATE_TEXT)).toBe(true);
      const ready = await stage.process(bytes, mimeType);
      for (const url of [ready.thumbnailUrl, ready.mediumUrl]) {
        expect(await tracesIn(await download(url))).toEqual(NO_TRACES);
      }
    }
  });
});

describe('20: poison file: terminal failure after bounded attempts', () => {
  const ATTEMPTS = 2;
  /** A machine that has other things to do comes late even to its time-outs. */
  const PATIENCE_MS = 90_000;
  let impatient: PictureStage;

  beforeAll(async () => {
    impatient = await PictureStage.start({
      PROCESSING_TIMEOUT_SECONDS: '1',
      JOB_ATTEMPTS: String(ATTEMPTS),
      IMAGE_MAX_PIXELS: '268435456',
    });
  });
  afterAll(async () => impatient.close());

  const attempts = async (outcome: string) =>
    impatient.metric('mediadock_job_duration_seconds_count{job="generate_thumbnails"', `"${outcome}"`);

  it('fails a damaged file at the first attempt, and one that takes too long at the last', async () => {
    const damaged = await impatient.process(truncated(await photo(90, 60), 0.6), JPEG);
    expect(await impatient.remainsOf(damaged)).toEqual(rejected('truncated'));
    expect([await attempts('retried'), await attempts('failed')]).toEqual([0, 1]);

    // Two gigabytes of pixels in two megabytes, all of it allowed: no decoder is through with that in a second.
    const { mallory } = impatient;
    const { id } = await mallory.upload(blackPng(16_000, 16_000), 'image/png');
    const isOver = async () => ((await mallory.get(id)).body.status === 'processing' ? null : true);
    await until(isOver, 'the last attempt', PATIENCE_MS);
    expect(await impatient.remainsOf(await mallory.settled(id))).toEqual(rejected('processing_timeout'));
    expect([await attempts('retried'), await attempts('failed')]).toEqual([ATTEMPTS - 1, 2]);
  }, 120_000);
});
