import { join, sep } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidObjectKeyError } from '../storage.errors.js';
import { ObjectPaths } from './object-path.js';

const ROOT = join(sep, 'srv', 'objects');
const KEY =
  'users/0199f0c2-7d1e-7a30-9c55-0d6f4f0f9a11/image/2026/03/0199f0c2-9a4b-7cc1-8d2e-6b1a5c3f7e22.jpg';

const REFUSED = Symbol('refused');

function objectOrRefused(paths: ObjectPaths, key: string): string | symbol {
  try {
    return paths.object('media', key);
  } catch (error) {
    if (error instanceof InvalidObjectKeyError) {
      return REFUSED;
    }
    throw error;
  }
}

describe(ObjectPaths.name, () => {
  const paths = new ObjectPaths(ROOT);

  it('keeps areas and temporary files apart', () => {
    expect(paths.object('uploads', KEY)).toBe(join(ROOT, 'uploads', KEY));
    expect(paths.object('media', KEY)).toBe(join(ROOT, 'media', KEY));
    expect(paths.temporary()).toMatch(join(ROOT, 'tmp', sep));
  });

  it('puts metadata beside its object', () => {
    expect(paths.sidecar('media', KEY, 'abc')).toBe(`${join(ROOT, 'media', KEY)}.abc.json`);
  });

  it('names a new temporary file each time', () => {
    expect(paths.temporary()).not.toBe(paths.temporary());
  });

  it('never leads out of the area, whatever it is given', () => {
    const pieces = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '\0',
      '%2e',
      '%2f',
      'users',
      KEY,
      'é',
      '\n',
      '~',
      'C:',
    );
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(hostile, (key) => {
        // Refused, or appended just as it is: a path that climbs would have been shortened by `join`.
        expect([REFUSED, `${join(ROOT, 'media')}${sep}${key}`]).toContain(objectOrRefused(paths, key));
      }),
    );
  });
});
