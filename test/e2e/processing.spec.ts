import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import { sha256, until } from '../support/api-client.js';
import {
  gifAnimation,
  GPS_TAKEN_AT,
  gifWithFrames,
  jpegWithGps,
  jpegWithOrientation,
  photo,
  pngBomb,
  pngImage,
  PRIVATE_TEXT,
  truncated,
  webpImage,
} from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

async function download(url: string | null): Promise<Buffer> {
  const response = await fetch(String(url));
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

describe('processing', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ WORKER_CONCURRENCY: '2' });
  });
  afterAll(async () => mediadock.close());

  async function process(bytes: Buffer, mimeType: string): Promise<MediaFileDto> {
    const alice = mediadock.as('alice');
    const file = await alice.upload(bytes, mimeType);
    return alice.settled(file.id);
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'stands upright whatever EXIF says: orientation %i',
    async (orientation) => {
      const ready = await process(await jpegWithOrientation(orientation), 'image/jpeg');
      // The maker turns the stored pixels so that every one of them shows the same upright 1000×600 picture.
      expect(ready).toMatchObject({ status: 'ready', width: 1000, height: 600 });
      const medium = await sharp(await download(ready.mediumUrl)).metadata();
      expect([medium.width, medium.height]).toEqual([800, 480]);
      expect(medium.orientation ?? 1).toBe(1);
    },
  );

  it('shows the first frame of an animated GIF, and counts the others', async () => {
    const ready = await process(await gifAnimation(5), 'image/gif');
    expect(ready).toMatchObject({ status: 'ready', metadata: { format: 'gif', frames: 5 } });
    const thumbnail = await sharp(await download(ready.thumbnailUrl)).metadata();
    expect(thumbnail.pages ?? 1).toBe(1);
  });

  it.each([
    ['a PNG', () => pngImage(900, 700), 'image/png', 'png'],
    ['a WebP', () => webpImage(900, 700), 'image/webp', 'webp'],
  ])('makes the derivatives of %s', async (_what, make, mimeType, format) => {
    const ready = await process(await make(), mimeType);
    expect(ready).toMatchObject({ status: 'ready', width: 900, height: 700, metadata: { format } });
    expect(ready.storageKey.endsWith(`.${format}`)).toBe(true);
    const [thumbnail, medium] = await Promise.all([
      sharp(await download(ready.thumbnailUrl)).metadata(),
      sharp(await download(ready.mediumUrl)).metadata(),
    ]);
    expect([thumbnail.format, thumbnail.width, thumbnail.height]).toEqual(['webp', 200, 200]);
    expect([medium.format, medium.width]).toEqual(['webp', 800]);
  });

  it('tells when a photo was taken, and keeps where it was taken out of the derivatives', async () => {
    const ready = await process(await jpegWithGps(), 'image/jpeg');
    expect(ready.metadata?.takenAt).toBe(GPS_TAKEN_AT);
    for (const url of [ready.thumbnailUrl, ready.mediumUrl]) {
      const bytes = await download(url);
      expect(bytes.includes(PRIVATE_TEXT)).toBe(false);
      expect((await sharp(bytes).metadata()).exif).toBeUndefined();
    }
  });

  it.each([
    ['a truncated JPEG', async () => truncated(await photo(800, 600), 0.6), 'image/jpeg', 'truncated'],
    ['a truncated PNG', async () => truncated(await pngImage(300, 300), 0.6), 'image/png', 'truncated'],
    [
      'a PNG that declares 60,000×60,000 pixels',
      async () => pngBomb(60_000, 60_000),
      'image/png',
      'too_many_pixels',
    ],
    ['a GIF of 5,000 frames', async () => gifWithFrames(5000), 'image/gif', 'too_many_frames'],
  ])('fails %s for good, and frees its quota and its bytes', async (_what, make, mimeType, code) => {
    const carol = mediadock.as(`carol ${code} ${mimeType}`);
    const file = await carol.upload(await make(), mimeType);
    const failed = await carol.settled(file.id);
    expect(failed).toMatchObject({
      status: 'failed',
      processingError: code,
      publicUrl: null,
      thumbnailUrl: null,
    });
    expect(failed.processedAt).not.toBeNull();
    expect(await carol.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
    expect((await carol.list()).body.items).toEqual([]);
    await until(
      async () => ((await mediadock.stack.objects()).some((path) => path.includes(file.id)) ? null : true),
      'the bytes of a failed file to go',
    );
  });

  it('leaves no bytes of files that are deleted while they are processed', async () => {
    const dave = mediadock.as('dave');
    const bytes = await photo(3000, 2000);
    const ids = await Promise.all(
      Array.from({ length: 6 }, async (_unused, index) => {
        const { id } = await dave.upload(bytes, 'image/jpeg');
        await new Promise((resolve) => setTimeout(resolve, index * 60));
        expect((await dave.delete(id)).status).toBe(204);
        return id;
      }),
    );
    await until(async () => {
      const rows = await mediadock.database.query(
        'select 1 from media_files where id = any($1) and purged_at is null',
        [ids],
      );
      const files = await mediadock.stack.objects();
      return rows.length === 0 && !files.some((path) => ids.some((id) => path.includes(id))) ? true : null;
    }, 'all bytes of deleted files to go');
    expect(await dave.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
  });

  it('measures the hash itself, and finds duplicates by it', async () => {
    const erin = mediadock.as('erin');
    const bytes = await photo(400, 300, 42);
    const claim = {
      fileName: 'again.jpg',
      mimeType: 'image/jpeg',
      fileSize: bytes.length,
      contentHash: sha256(bytes),
    };
    const ticket = (await erin.requestUpload({ ...claim, contentHash: sha256(Buffer.from('a lie')) })).body;
    await erin.put(ticket, bytes);
    await erin.confirm(ticket.mediaFileId);
    const ready = await erin.settled(ticket.mediaFileId);
    expect(ready.contentHash).toBe(sha256(bytes));

    const again = await erin.requestDuplicate({ ...claim, contentHash: claim.contentHash.toUpperCase() });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ duplicate: true, mediaFile: { id: ready.id, status: 'ready' } });
    expect((await erin.uploadDirect(bytes, 'image/jpeg')).body.id).toBe(ready.id);
    expect((await mediadock.as('frank').requestUpload(claim)).status).toBe(201);

    await erin.delete(ready.id);
    expect((await erin.requestUpload(claim)).status).toBe(201);
  });

  it('costs nobody a photo when storage fails meanwhile: the job is tried until it succeeds', async () => {
    const grace = mediadock.as('grace');
    const large = await photo(4000, 3000);
    const files = await Promise.all(Array.from({ length: 6 }, () => grace.upload(large, 'image/jpeg')));
    await mediadock.stack.storageDown();
    await until(async () => {
      const { body } = await grace.send<string>('GET', '/metrics');
      return /job_duration_seconds_count\{job="generate_thumbnails",outcome="retried"\} [1-9]/.test(body)
        ? true
        : null;
    }, 'an attempt to fail');
    await mediadock.stack.storageUp();
    for (const { id } of files) {
      expect((await grace.settled(id)).status).toBe('ready');
    }
  });
});
