import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertObjectKey, derivativeKey, originalKey, type OriginalKeyParts } from './object-key.js';
import { InvalidObjectKeyError } from './storage.errors.js';

const PARTS: OriginalKeyParts = {
  userId: '0199f0c2-7d1e-7a30-9c55-0d6f4f0f9a11',
  mediaType: 'image',
  createdAt: new Date('2026-03-31T23:59:59Z'),
  mediaFileId: '0199f0c2-9a4b-7cc1-8d2e-6b1a5c3f7e22',
  extension: 'jpg',
};
const KEY =
  'users/0199f0c2-7d1e-7a30-9c55-0d6f4f0f9a11/image/2026/03/0199f0c2-9a4b-7cc1-8d2e-6b1a5c3f7e22.jpg';

describe(originalKey.name, () => {
  it('is made of user, media type, month and file', () => {
    expect(originalKey(PARTS)).toBe(KEY);
  });

  it('takes year and month in UTC', () => {
    const createdAt = new Date('2026-01-01T01:00:00+02:00');

    expect(originalKey({ ...PARTS, createdAt })).toContain('/2025/12/');
  });

  it.each([
    ['a user that is no UUID', { userId: '../../root' }],
    ['a file that is no UUID', { mediaFileId: 'a/b' }],
    ['an extension with a dot', { extension: 'jpg.html' }],
    ['an extension in upper case', { extension: 'JPG' }],
    ['no extension', { extension: '' }],
    ['a time that is none', { createdAt: new Date(Number.NaN) }],
  ])('refuses %s', (_, part) => {
    expect(() => originalKey({ ...PARTS, ...part })).toThrow(InvalidObjectKeyError);
  });
});

describe(derivativeKey.name, () => {
  it.each(['thumbnail', 'medium'] as const)('puts the %s beside its original', (variant) => {
    expect(derivativeKey(KEY, variant)).toBe(KEY.replace('.jpg', `_${variant}.webp`));
  });

  it('makes keys that pass for keys', () => {
    expect(() => assertObjectKey(derivativeKey(KEY, 'medium'))).not.toThrow();
  });

  it('refuses what is not the key of an original', () => {
    expect(() => derivativeKey(derivativeKey(KEY, 'medium'), 'thumbnail')).toThrow(InvalidObjectKeyError);
    expect(() => derivativeKey('cat.jpg', 'thumbnail')).toThrow(InvalidObjectKeyError);
  });
});

describe(assertObjectKey.name, () => {
  it('lets every key pass that is made here', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.uuid(),
        fc.date({ min: new Date('2000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (userId, mediaFileId, createdAt) => {
          expect(() =>
            assertObjectKey(originalKey({ ...PARTS, userId, mediaFileId, createdAt })),
          ).not.toThrow();
        },
      ),
    );
  });

  it.each([
    ['nothing', ''],
    ['a climb', `${KEY}/../../x.jpg`],
    ['a leading slash', `/${KEY}`],
    ['a doubled slash', KEY.replace('/image', '//image')],
    ['an escaped slash', KEY.replace('/image', '%2fimage')],
    ['a backslash', KEY.replaceAll('/', '\\')],
    ['a NUL', `${KEY}\0`],
    ['a line break at the end', `${KEY}\n`],
    ['another alphabet', KEY.replace('jpg', 'jрg')],
    ['a month that is none', KEY.replace('/03/', '/13/')],
    ['an unknown media type', KEY.replace('image', 'font')],
    ['an unknown derivative', KEY.replace('.jpg', '_large.webp')],
    ['the metadata of an object', `${KEY}.0123456789abcdef0123456789abcdef.json`],
    ['ten kilobytes', KEY.replace('.jpg', `.${'j'.repeat(10_240)}`)],
  ])('refuses %s', (_, key) => {
    expect(() => assertObjectKey(key)).toThrow(InvalidObjectKeyError);
  });
});
