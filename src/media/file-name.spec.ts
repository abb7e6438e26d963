import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sanitizeFileName } from './file-name.js';

describe(sanitizeFileName.name, () => {
  it.each([
    ['IMG_0042.JPG', 'img_0042.jpg'],
    ['Größe.PNG', 'größe.png'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    [String.raw`C:\photos\cat.jpg`, 'c__photos_cat.jpg'],
    ['a\u0000b\nc.jpg', 'a_b_c.jpg'],
    ['photo\u202Egpj.exe', 'photo_gpj.exe'],
    ['what?<is>|this*.gif', 'what__is__this_.gif'],
    ['..', '__'],
    ['   ', '_'],
    ['', '_'],
    ['\uD83D.jpg', '_.jpg'],
    ['e\u0301t\u00E9.jpg', 'été.jpg'],
  ])('makes %j %j', (name, expected) => {
    expect(sanitizeFileName(name)).toBe(expected);
  });

  it('keeps the extension of a name that is too long', () => {
    const name = sanitizeFileName(`${'ü'.repeat(5000)}.jpeg`);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(name).toMatch(/^ü+\.jpeg$/);
  });

  it('does not cut through a character as people see it', () => {
    const family = '👨‍👩‍👧‍👦';
    const name = sanitizeFileName(`${family.replaceAll('\u200D', '')}${'x'.repeat(300)}`);
    expect(name.isWellFormed()).toBe(true);
  });

  it('takes any string, and gives a bounded, safe and stable name', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 600 }), (input) => {
        const name = sanitizeFileName(input);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(name.length).toBeGreaterThan(0);
        expect(name).not.toMatch(/[/\\:*?"<>|\p{Cc}\p{Cf}\p{Cs}]/u);
        expect(name).not.toMatch(/^\.*$/);
        expect(sanitizeFileName(name)).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });
});
