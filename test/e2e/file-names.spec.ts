import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const KEY = /^users\/[0-9a-f-]{36}\/image\/\d{4}\/\d{2}\/[0-9a-f-]{36}\.jpg$/;

describe('a file name', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp();
  });
  afterAll(async () => mediadock.close());

  /** RFC 6266: a plain name, and for what is not ASCII another one after RFC 8187. */
  const DISPOSITION = /^inline; filename=(?:"[^"\\]*"|[\w.%-]+)(?:; filename\*=UTF-8''[\w.%!~*()-]+)?$/;
  const SAFE = /^[^<>:"/\\|?*\p{Cc}\p{Cf}\p{Cs}]+$/u;
  const names: [what: string, name: string, safe: string][] = [
    ['that climbs', '../../etc/passwd', '.._.._etc_passwd'],
    ['that ends in a slash', 'a/', 'a_'],
    ['of Windows', 'C:\\Users\\me\\a.jpg', 'c__users_me_a.jpg'],
    ['with an escaped slash', '..%2f..%2fa.jpg', '..%2f..%2fa.jpg'],
    ['that reads backwards', 'a\u202Egpj.exe', 'a_gpj.exe'],
    ['with a line break', 'a\r\nSet-Cookie: b.jpg', 'a__set-cookie_ b.jpg'],
    ['with quotes', 'a"; filename="b.jpg', 'a_; filename=_b.jpg'],
    ['of emoji', '😀👩‍🚀.JPG', '😀👩_🚀.jpg'],
    ['of 10 KB', `${'n'.repeat(10_240)}.JPG`, `${'n'.repeat(251)}.jpg`],
    ['of blanks', '   ', '_'],
    ['with half a character', 'a\uD800.jpg', 'a_.jpg'],
  ];

  it.each([...names, ['with NUL', 'a\0b.jpg', 'a_b.jpg']])(
    '%s is made safe on request, and never reaches the key',
    async (_what, fileName, expected) => {
      const alice = mediadock.as('alice');
      const { status, body: ticket } = await alice.requestUpload({
        fileName,
        mimeType: 'image/jpeg',
        fileSize: 1000,
      });
      expect(status).toBe(201);
      expect(ticket.storageKey).toMatch(KEY);
      const { body: file } = await alice.get(ticket.mediaFileId);
      expect(file).toMatchObject({ originalFileName: expected, fileName: ticket.mediaFileId });
      expect(file.originalFileName).toMatch(SAFE);
      expect(Buffer.byteLength(file.originalFileName)).toBeLessThanOrEqual(255);
    },
  );

  it.each(names)(
    '%s is made safe on the direct route, in the key and in the download',
    async (what, name, expected) => {
      const bytes = Buffer.concat([await photo(20, 20), Buffer.from(what)]);
      const { status, body: file } = await mediadock.as('alice').uploadDirect(bytes, 'image/jpeg', name);
      expect(status).toBe(201);
      expect(file).toMatchObject({ originalFileName: expected, storageKey: expect.stringMatching(KEY) });
      const { headers } = await fetch(String(file.publicUrl));
      expect(headers.get('content-disposition')).toMatch(DISPOSITION);
      expect(headers.get('content-type')).toBe('image/jpeg');
    },
  );
});
