import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { until } from '../../../test/support/api-client.js';
import { newKey, storageIn } from '../../../test/support/local-objects.js';

it('reads two bodies of an upload at once, and the next one when one of them is over', async () => {
  const rootDir = await mkdtemp(join(tmpdir(), 'mediadock-objects-'));
  const sut = storageIn(rootDir);
  const key = newKey();
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const bodies = ends.map(({ promise }, index) =>
    Readable.from(
      (async function* () {
        yield Buffer.alloc(5);
        await promise;
        if (index === 0) {
          throw new Error('The other side is gone');
        }
        yield Buffer.alloc(5);
      })(),
    ),
  );
  const outcomes = bodies.map((body) =>
    sut.receiveUpload(key, body, { contentLength: 10 }).then(
      () => 'stored',
      (error: Error) => error.name,
    ),
  );
  const isRead = () => bodies.map((body) => body.readableDidRead);
  await until(async () => (isRead()[1] ? true : null), 'two bodies to be read');
  expect(isRead()).toEqual([true, true, false, false, false]);
  ends[0]?.resolve();
  await until(async () => (isRead()[2] ? true : null), 'the next body to be read');
  expect(isRead()).toEqual([true, true, true, false, false]);
  ends[1]?.resolve();
  expect(await outcomes[1]).toBe('stored');
  ends[2]?.resolve();
  expect(await Promise.all(outcomes)).toEqual([
    'UploadInterruptedError',
    'stored',
    'ObjectExistsError',
    'ObjectExistsError',
    'ObjectExistsError',
  ]);
  expect(isRead()).toEqual([true, true, true, false, false]);
  await rm(rootDir, { recursive: true });
});
