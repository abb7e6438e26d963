import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { inMinutes, newKey, type ObjectStorageHarness } from './object-storage.harness.js';

/** The part of the contract of `ObjectStorage` that is about `signUpload`: what its URLs permit, and what they refuse. */
export function describeSignedUploads(harness: ObjectStorageHarness): void {
  describe('signUpload', () => {
    it('lets a client put exactly what was signed', async () => {
      const key = newKey();
      const bytes = randomBytes(70_000);

      const response = await harness.upload(key, bytes);

      expect(response.status).toBe(200);
      expect(response.headers.get('etag')).toBeTruthy();
      expect(await harness.storage.stat('uploads', key)).toEqual({
        size: bytes.length,
        generation: expect.stringMatching(/./),
      });
      expect(await harness.bytesOf('uploads', key)).toEqual(bytes);
      expect(await harness.storage.stat('media', key)).toBeNull();
    });

    it('takes a body of unknown length when it turns out to be the signed one', async () => {
      const key = newKey();
      const bytes = randomBytes(70_000);
      const { url, headers } = await harness.sign(key, bytes.length);

      const body = new Blob([bytes]).stream();
      const response = await fetch(url, { method: 'PUT', headers, body, duplex: 'half' });

      expect(response.status).toBe(200);
      expect(await harness.bytesOf('uploads', key)).toEqual(bytes);
    });

    it('names the headers that the client must send', async () => {
      const { headers } = await harness.sign(newKey(), 2048);

      expect(headers).toEqual({
        'content-type': 'image/jpeg',
        'x-goog-content-length-range': '2048,2048',
        'x-goog-if-generation-match': '0',
      });
    });

    it('never overwrites', async () => {
      const key = newKey();
      const first = randomBytes(100);
      const { url, headers } = await harness.sign(key, first.length);
      await fetch(url, { method: 'PUT', headers, body: new Uint8Array(first) });

      const again = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(randomBytes(100)) });
      const withAnotherUrl = await harness.upload(key, randomBytes(50));

      expect([again.status, withAnotherUrl.status]).toEqual([412, 412]);
      expect(await harness.bytesOf('uploads', key)).toEqual(first);
    });

    it('lets exactly one of many concurrent puts win', async () => {
      const key = newKey();
      const bodies = Array.from({ length: 40 }, () => randomBytes(30_000));

      const statuses = (await Promise.all(bodies.map((body) => harness.upload(key, body)))).map(
        ({ status }) => status,
      );

      const winner = bodies[statuses.indexOf(200)];
      expect(statuses.filter((status) => status === 200)).toHaveLength(1);
      expect(statuses.filter((status) => status === 412)).toHaveLength(39);
      expect(await harness.bytesOf('uploads', key)).toEqual(winner);
    });

    it.each([
      ['longer', 101],
      ['shorter', 99],
    ])('refuses a body that is %s than signed', async (_, length) => {
      const key = newKey();

      const response = await harness.upload(key, randomBytes(100), randomBytes(length));

      expect(response.status).toBe(400);
      expect(await harness.storage.stat('uploads', key)).toBeNull();
    });

    it('refuses another content type', async () => {
      const key = newKey();
      const { url, headers } = await harness.sign(key, 3);

      const response = await fetch(url, {
        method: 'PUT',
        headers: { ...headers, 'content-type': 'text/html' },
        body: 'abc',
      });

      expect(response.status).toBe(403);
      expect(await harness.storage.stat('uploads', key)).toBeNull();
    });

    it.each(['content-type', 'x-goog-content-length-range', 'x-goog-if-generation-match'])(
      'refuses a put without the header %s',
      async (missing) => {
        const key = newKey();
        const { url, headers } = await harness.sign(key, 3);
        const sent = Object.fromEntries(Object.entries(headers).filter(([header]) => header !== missing));

        // Bytes, since fetch gives a string a content type of its own.
        const response = await fetch(url, { method: 'PUT', headers: sent, body: new Uint8Array(3) });

        expect(response.status).toBe(400);
        expect(await harness.storage.stat('uploads', key)).toBeNull();
      },
    );

    it('refuses headers that allow another length, or an overwrite', async () => {
      const key = newKey();
      const { url, headers } = await harness.sign(key, 3);
      const put = async (changed: Record<string, string>) =>
        fetch(url, { method: 'PUT', headers: { ...headers, ...changed }, body: 'abcd' });

      const longer = await put({ 'x-goog-content-length-range': '0,1000' });
      const overwriting = await put({ 'x-goog-if-generation-match': '1' });

      expect([longer.status, overwriting.status]).toEqual([403, 403]);
      expect(await harness.storage.stat('uploads', key)).toBeNull();
    });

    it('refuses the signature on another key', async () => {
      const [signed, other] = [newKey(), newKey()];
      const { url, headers } = await harness.sign(signed, 3);

      const response = await fetch(url.replace(signed, other), { method: 'PUT', headers, body: 'abc' });

      expect(response.status).toBe(403);
      expect(await harness.storage.stat('uploads', other)).toBeNull();
    });

    it('refuses an expired URL', async () => {
      const key = newKey();
      const { url, headers } = await harness.sign(key, 3, inMinutes(-1));

      const response = await fetch(url, { method: 'PUT', headers, body: 'abc' });

      expect(response.status).toBe(400);
      expect(await harness.storage.stat('uploads', key)).toBeNull();
    });

    it('makes URLs that are good for nothing but a put', async () => {
      const key = newKey();
      const { url, headers } = await harness.sign(key, 3);
      await fetch(url, { method: 'PUT', headers, body: 'abc' });

      const statuses = await Promise.all(
        ['GET', 'HEAD', 'POST', 'DELETE'].map(
          async (method) => (await fetch(url, { method, headers })).status,
        ),
      );

      expect(statuses.filter((status) => status < 400)).toEqual([]);
      expect(await harness.bytesOf('uploads', key)).toEqual(Buffer.from('abc'));
    });
  });
}
