import { lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLabel, writeLabel } from './labels.js';

describe('a label', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mediadock-labels-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const at = (name: string) => join(folder, name);

  it.each(['{"a":"b"}', '../../etc/passwd', '/etc/passwd', 'ü'.repeat(255), '%2e%2e%2f', 'a\0b'])(
    'gives back %j, and leads nowhere',
    async (text) => {
      await writeLabel(at('label'), text, at('draft'));

      expect(await readLabel(at('label'))).toBe(text);
      // Whoever follows it finds that it cannot be followed.
      await expect(writeFile(at('label'), 'x')).rejects.toMatchObject({ code: 'ENOTDIR' });
      expect(await readdir(folder)).toEqual(['label']);
    },
  );

  it('is not there when it is not there', async () => {
    expect(await readLabel(at('label'))).toBeNull();
  });

  it('stays as it is when it is written twice, also at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => writeLabel(at('label'), 'once', at('draft'))));
    expect(await readLabel(at('label'))).toBe('once');
  });

  it('is read from a file as well, as earlier versions wrote it', async () => {
    await writeFile(at('label'), '{"a":"b"}');
    expect(await readLabel(at('label'))).toBe('{"a":"b"}');
  });

  it('becomes a file where it does not fit into a link', async () => {
    const text = 'x'.repeat(5_000);

    await writeLabel(at('label'), text, at('draft'));

    expect((await lstat(at('label'))).isFile()).toBe(true);
    expect(await readLabel(at('label'))).toBe(text);
    expect(await readdir(folder)).toEqual(['label']);
  });
});
