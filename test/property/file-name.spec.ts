import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sanitizeFileName } from '../../src/media/file-name.js';
import { inlineDisposition } from '../../src/storage/inline-disposition.js';
import { photo } from '../support/images.js';
import { parseDisposition } from './disposition.js';
import { PropertyRuns } from './property-runs.js';
import { Stage } from './stage.js';

const LONGEST = 20_000;
/** What must never be in a name: separators, what Windows reserves, control, format and private marks, half characters. */
const UNSAFE = /[<>:"/\\|?*\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

// Pieces that names go wrong with, beside whatever else there is in Unicode.
const PIECES = [
  '\uD83D',
  '\uDE00',
  '\0',
  '\u202E',
  '\u2066',
  '\uFEFF',
  'e\u0301',
  '\u0301\u0323',
  'İ',
  'ΑΣ',
  'ﬃ',
  '가',
  '\u1100\u1161',
  '👨‍👩‍👧',
  '🇩🇪',
  '../',
  '..\\',
  '%2f',
  '%00',
  ' ',
  '\u00A0',
  '\u3000',
  '.',
  '.jpg',
  '"; filename="x',
  "*=UTF-8''",
  '\r\nSet-Cookie: a=b',
  '\u2028',
  '😀'.repeat(40),
  'a\u0301'.repeat(100),
  '\u0301'.repeat(600),
  'x'.repeat(3000),
];

const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  // Code units, so that surrogates come alone.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 })
    .map((units) => String.fromCharCode(...units)),
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((parts) => parts.join('')),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 20 })), {
        maxLength: 12,
      })
      .map((parts) => parts.join('')),
  },
);

const clientName = name.map((text) => text.slice(0, LONGEST) || 'x');

describe('the name of a file', () => {
  const names = new PropertyRuns('file names', { count: 1500, secondsPerRun: 0.1 });
  it('comes out safe, bounded and stable, whatever goes in', { timeout: names.timeout }, async () => {
    await names.hold(
      fc.property(name, (text) => {
        const safe = sanitizeFileName(text);
        expect(safe.length).toBeGreaterThan(0);
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(255);
        expect(safe).not.toMatch(UNSAFE);
        expect(safe).not.toMatch(/^\.+$|^\s|\s$/);
        expect([safe.isWellFormed(), safe.normalize('NFC')]).toEqual([true, safe]);
        expect(sanitizeFileName(safe)).toBe(safe);
      }),
    );
  });

  const headers = new PropertyRuns('Content-Disposition', { count: 1500, secondsPerRun: 0.1 });
  it(
    'stands in a Content-Disposition of printable ASCII, out of which it can be read again',
    { timeout: headers.timeout },
    async () => {
      await headers.hold(
        fc.property(name, (text) => {
          const safe = sanitizeFileName(text);
          const header = inlineDisposition(safe);
          expect(header).toMatch(/^[\x20-\x7e]+$/);
          expect(parseDisposition(header)).toEqual({ type: 'inline', fileName: safe });
        }),
      );
    },
  );

  describe('in the application', () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.open();
    });
    afterAll(async () => stage.close());

    const requests = new PropertyRuns('names of requested uploads', { count: 100, secondsPerRun: 2 });
    it('is made safe, and does not reach the key', { timeout: requests.timeout }, async () => {
      const { subject, userId } = await stage.newUser();
      await requests.hold(
        fc.asyncProperty(clientName, async (fileName) => {
          const client = stage.mediadock.as(subject);
          const ticket = await client.requestUpload({ fileName, mimeType: 'image/png', fileSize: 1 });
          expect(ticket.status).toBe(201);
          const { mediaFileId: id, storageKey, uploadUrl } = ticket.body;
          expect(storageKey).toMatch(new RegExp(`^users/${userId}/image/\\d{4}/\\d{2}/${id}\\.png$`));
          expect(new URL(uploadUrl).pathname).toBe(`/v1/storage/uploads/${storageKey}`);
          expect((await client.get(id)).body).toMatchObject({
            fileName: id,
            originalFileName: sanitizeFileName(fileName),
            storageKey,
          });
        }),
      );
    });

    const downloads = new PropertyRuns('names of downloads', { count: 40, secondsPerRun: 5 });
    it('comes back with the download', { timeout: downloads.timeout }, async () => {
      const { subject, userId } = await stage.newUser();
      const picture = await photo(20, 20);
      let number = 0;
      await downloads.hold(
        fc.asyncProperty(clientName, async (fileName) => {
          number += 1;
          const bytes = Buffer.concat([picture, Buffer.from(String(number))]);
          const client = stage.mediadock.as(subject);
          const { body: ticket } = await client.requestUpload({
            fileName,
            mimeType: 'image/jpeg',
            fileSize: bytes.length,
          });
          await client.put(ticket, bytes);
          const { body: file } = await client.confirm(ticket.mediaFileId);
          const served = await fetch(String(file.publicUrl));
          await served.arrayBuffer();
          expect(parseDisposition(served.headers.get('content-disposition') ?? '')).toEqual({
            type: 'inline',
            fileName: sanitizeFileName(fileName),
          });
          expect(new URL(String(file.publicUrl)).pathname).toBe(`/v1/storage/media/${ticket.storageKey}`);
          expect(ticket.storageKey).toContain(`users/${userId}/`);
        }),
      );
    });
  });
});
