import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProcessedImage } from '../../src/processing/image/image-pipeline.js';
import { photo, webpImage } from '../support/images.js';
import { riffChunk } from './image-blocks.js';
import type { UploadedFile } from './image-child.js';
import { flawOf } from './image-verdict.js';
import { ImageWorkbench } from './image-workbench.js';

function fileOf(text: string): UploadedFile {
  return { bytes: Buffer.from(text), mimeType: 'image/jpeg', fileSize: text.length };
}

describe('the watch over the process of the image worker', () => {
  let workbench: ImageWorkbench<UploadedFile>;
  afterEach(async () => workbench.close());

  function open(patienceMs: number): void {
    workbench = new ImageWorkbench({
      patienceMs,
      program: join(import.meta.dirname, 'image-child-faulty.mjs'),
    });
  }

  it.each([
    ['crash', 'SIGABRT'],
    ['exit', 'ended with 3'],
  ])('finds the one file among others that makes the process end (%s)', async (kind, cause) => {
    open(60_000);
    const files = ['fine', kind, 'fine too'].map(fileOf);
    const results = await Promise.all(files.map(async (file) => workbench.process(file)));
    expect(results.map(({ outcome }) => outcome.kind)).toEqual(['failed', 'lost', 'failed']);
    const flaws = await Promise.all(results.map(async ({ outcome }) => flawOf(fileOf(kind), outcome, 1)));
    expect(flaws).toEqual([null, expect.stringContaining(cause), null]);
    expect(workbench.deaths.map(({ detail }) => detail)).toEqual([expect.stringContaining(cause)]);
    expect(workbench.deaths[0]?.suspects).toEqual(files);
    const next = await workbench.process(fileOf('fine'));
    expect(next.outcome.kind).toBe('failed');
  });

  it.each(['hang', 'block'])('ends a process that never answers (%s)', async (kind) => {
    open(1_500);
    const { outcome } = await workbench.process(fileOf(kind));
    expect(outcome.kind).toBe('hang');
    expect(await flawOf(fileOf(kind), outcome, 1)).toContain('No answer');
    expect((await workbench.process(fileOf('fine'))).outcome.kind).toBe('failed');
  });

  it('reports an error that no file should cause', async () => {
    open(60_000);
    const { outcome } = await workbench.process(fileOf('throw'));
    expect(await flawOf(fileOf('throw'), outcome, 1)).toContain('a mistake');
  });
});

describe('the watch over the derivatives of the image worker', () => {
  const file = { bytes: Buffer.alloc(9), mimeType: 'image/jpeg', fileSize: 9 };

  async function flawWith(changes: Partial<ProcessedImage>): Promise<string | null> {
    const image = {
      width: 300,
      height: 200,
      contentHash: '0'.repeat(64),
      metadata: { format: 'jpeg', frames: 1, hasAlpha: false, takenAt: null, thumbHash: 'AAAAAAAA' },
      thumbnail: await webpImage(200, 200),
      medium: await webpImage(300, 200),
      ...changes,
    } as const;
    return flawOf(file, { kind: 'ready', image }, 100_000);
  }

  it('lets a good one pass', async () => {
    expect(await flawWith({})).toBeNull();
  });

  it('sees what should not be in one, or behind it', async () => {
    const medium = await webpImage(300, 200);
    const followed = Buffer.concat([medium, Buffer.from('<script>')]);
    const longer = Buffer.concat([medium, riffChunk('EXIF', Buffer.from('II*\0'))]);
    longer.writeUInt32LE(longer.length - 8, 4);
    const damaged = Buffer.from(medium).fill(0, 20, 60);
    expect(await flawWith({ medium: followed })).toContain('a block');
    expect(await flawWith({ medium: longer })).toContain('a block "EXIF"');
    expect(await flawWith({ medium: damaged })).toContain('cannot be decoded');
    expect(await flawWith({ medium: await webpImage(301, 200) })).toContain('301');
    expect(await flawWith({ thumbnail: await photo(20, 20) })).toContain('no WebP');
    expect(await flawWith({ width: 1_000, height: 1_000 })).toContain('no more pixels');
  });
});
