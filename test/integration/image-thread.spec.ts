import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ImageProcessor } from '../../src/processing/image/image-processor.js';
import { ImageThread } from '../../src/processing/image/image-thread.js';
import { PermanentFault } from '../../src/processing/image/processing-fault.js';
import { photo } from '../support/images.js';
import { build } from '../support/installation.js';

const LIMITS = { maxPixels: 10_000_000, timeoutSeconds: 30 };
const FOLDER = join(import.meta.dirname, '..', '..', 'dist', 'src', 'processing', 'image');
const ENTRY = pathToFileURL(join(FOLDER, 'image-thread-entry.js'));

/** A copy that may be given away. */
function own(bytes: Buffer): Buffer<ArrayBuffer> {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

describe(ImageThread.name, () => {
  let sut: ImageThread;

  beforeAll(build);

  afterEach(async () => {
    await sut.onApplicationShutdown();
  });

  it('makes what is made without a thread, byte for byte, of several images at once', async () => {
    sut = new ImageThread(LIMITS, ENTRY);
    const photos = await Promise.all([photo(1200, 900, 1), photo(640, 480, 2), photo(900, 1200, 3)]);

    const made = await Promise.all(photos.map((bytes) => sut.process(own(bytes), 'image/jpeg')));

    const inline = new ImageProcessor(LIMITS);
    expect(made).toEqual(await Promise.all(photos.map((bytes) => inline.process(bytes, 'image/jpeg'))));
    expect(made.every(({ medium }) => Buffer.isBuffer(medium))).toBe(true);
  });

  it('takes the bytes over instead of copying them', async () => {
    sut = new ImageThread(LIMITS, ENTRY);
    const bytes = own(await photo(640, 480));

    const work = sut.process(bytes, 'image/jpeg');

    expect(bytes.length).toBe(0);
    await work;
  });

  it('says of a faulty file what its fault is', async () => {
    sut = new ImageThread(LIMITS, ENTRY);
    const [whole, large] = await Promise.all([photo(640, 480), photo(4000, 3000)]);

    const outcomes = await Promise.allSettled([
      sut.process(own(whole.subarray(0, 5_000)), 'image/jpeg'),
      sut.process(own(whole), 'image/png'),
      sut.process(own(large), 'image/jpeg'),
    ]);

    const reasons = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : outcome));
    expect(reasons).toEqual([
      expect.objectContaining({ code: 'truncated' }),
      expect.objectContaining({ code: 'type_mismatch' }),
      expect.objectContaining({ code: 'too_many_pixels' }),
    ]);
    expect(reasons.every((reason) => reason instanceof PermanentFault)).toBe(true);
  });

  it('fails what it was at work on when it ends, as something to try again, and starts anew for the next', async () => {
    sut = new ImageThread(LIMITS, ENTRY);
    const lost = sut.process(own(await photo(1200, 900)), 'image/jpeg').catch((error: unknown) => error);
    await sut.onApplicationShutdown();

    const error = await lost;
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(PermanentFault);
    expect((await sut.process(own(await photo(640, 480)), 'image/jpeg')).width).toBe(640);
  });

  it('fails its work, not the process, when the thread cannot even start', async () => {
    sut = new ImageThread(LIMITS, pathToFileURL(join(FOLDER, 'there-is-no-such-file.js')));
    await expect(sut.process(own(await photo(640, 480)), 'image/jpeg')).rejects.toThrow(
      'there-is-no-such-file',
    );
  });
});
