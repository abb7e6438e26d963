import { request as httpRequest, type IncomingMessage } from 'node:http';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { json } from 'node:stream/consumers';
import { parse as parseDisposition } from 'content-disposition';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalStorageController } from '../../src/storage/local/local-storage.controller.js';
import { versionOf } from '../../src/storage/local/durable-files.js';
import { ObjectPaths } from '../../src/storage/local/object-path.js';
import { inMinutes, newKey } from '../contract/object-storage.harness.js';
import { filesBelow } from '../support/files-below.js';
import { type LocalStorageServer, startLocalStorage } from '../support/local-storage-server.js';

const BYTES = Buffer.from('0123456789');
const JPEG = { contentType: 'image/jpeg', originalFileName: 'holiday.jpg' };

/** Sends a path as it is, which `fetch` would tidy up first. */
async function getRaw(origin: string, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpRequest(origin, { path }, resolve).on('error', reject).end();
  });
}

async function refusal(target: string): Promise<unknown> {
  const response = await fetch(target);
  return response.json();
}

describe(`${LocalStorageController.name}, reading with public access`, () => {
  let server: LocalStorageServer;
  let key: string;
  let url: string;

  beforeAll(async () => {
    server = await startLocalStorage();
    key = newKey();
    await server.storage.put(key, BYTES, JPEG);
    url = await server.storage.readUrl(key);
  });

  afterAll(async () => {
    await server.close();
  });

  it('serves an object so that it is cached for long and never run', async () => {
    const response = await fetch(url);

    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(BYTES);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-disposition': 'inline; filename=holiday.jpg',
      'content-length': '10',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-type': 'image/jpeg',
      'cross-origin-resource-policy': 'cross-origin',
      etag: expect.stringMatching(/^(W\/)?".+"$/),
      'last-modified': expect.stringMatching(/GMT$/),
      'x-content-type-options': 'nosniff',
    });
  });

  it('answers HEAD like GET, without the bytes', async () => {
    const response = await fetch(url, { method: 'HEAD' });

    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('10');
    expect(response.headers.get('content-type')).toBe('image/jpeg');
    expect(await response.text()).toBe('');
  });

  it.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=8-', '89', 'bytes 8-9/10'],
  ])('serves the range %s', async (range, bytes, contentRange) => {
    const response = await fetch(url, { headers: { range } });

    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(await response.text()).toBe(bytes);
  });

  it('refuses a range that lies outside, and lets nobody keep the refusal', async () => {
    const response = await fetch(url, { headers: { range: 'bytes=10-20' } });

    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe('bytes */10');
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(response.headers.get('cache-control')).toBeNull();
    expect(response.headers.get('content-disposition')).toBeNull();
    expect(await response.json()).toMatchObject({ status: 416, code: 'range_not_satisfiable' });
  });

  it('answers conditional requests', async () => {
    const first = await fetch(url);
    const etag = first.headers.get('etag') ?? '';
    const lastModified = first.headers.get('last-modified') ?? '';
    const statusWith = async (headers: Record<string, string>) => (await fetch(url, { headers })).status;

    // `fetch` sends `Cache-Control: no-cache` along with a condition, unless told that the cache is ours.
    expect(await statusWith({ 'if-none-match': etag, 'cache-control': 'max-age=0' })).toBe(304);
    expect(await statusWith({ 'if-modified-since': lastModified, 'cache-control': 'max-age=0' })).toBe(304);
    expect(await statusWith({ 'if-none-match': '"another"', 'cache-control': 'max-age=0' })).toBe(200);
    expect(await statusWith({ 'if-match': '"another"' })).toBe(412);
  });

  it.each([
    ['plain', 'cat.jpg'],
    ['accents', 'été à Besançon.jpg'],
    ['another script and an emoji', '写真 📷.jpg'],
    ['quotes, a backslash and a semicolon', 'a"b\\c;d.jpg'],
    ['a percent escape', '100%41.jpg'],
    ['a line break', 'a\r\nSet-Cookie: x=1.jpg'],
  ])('carries the original name with %s', async (_, originalFileName) => {
    const named = newKey();
    await server.storage.put(named, BYTES, { contentType: 'image/jpeg', originalFileName });

    const response = await fetch(await server.storage.readUrl(named));
    const disposition = parseDisposition(response.headers.get('content-disposition') ?? '');

    expect(response.status).toBe(200);
    expect(disposition.type).toBe('inline');
    expect(disposition.parameters['filename']).toBe(originalFileName);
    expect(response.headers.get('set-cookie')).toBeNull();
  });

  it('survives a name that is no Unicode text', async () => {
    const named = newKey();
    await server.storage.put(named, BYTES, { contentType: 'image/jpeg', originalFileName: 'a\ud800b.jpg' });

    const response = await fetch(await server.storage.readUrl(named));

    expect(parseDisposition(response.headers.get('content-disposition') ?? '').parameters['filename']).toBe(
      'a\ufffdb.jpg',
    );
  });

  it('answers a problem for an object that is not there', async () => {
    const response = await fetch(await server.storage.readUrl(newKey()));

    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ code: 'object_not_found' });
  });

  it('serves neither uploads nor metadata', async () => {
    const { url: uploadUrl, headers } = await server.storage.signUpload({
      key: newKey(),
      contentType: 'image/jpeg',
      contentLength: 3,
      expiresAt: inMinutes(5),
    });
    await fetch(uploadUrl, { method: 'PUT', headers, body: 'abc' });
    const sidecars = (await filesBelow(`${server.rootDir}/media`)).filter((file) => file.endsWith('.json'));

    expect((await fetch(uploadUrl)).status).toBe(404);
    expect((await fetch(uploadUrl.replace('/uploads/', '/media/'))).status).toBe(404);
    expect(sidecars).not.toEqual([]);
    expect((await fetch(`${server.origin}/v1/storage/media/${sidecars[0]}`)).status).toBe(404);
  });

  it.each([
    ['a climb', (own: string) => `${own}/../../../../../../../../tmp`],
    ['a climb from the start', () => '../uploads/x'],
    ['an escaped climb', () => '%2e%2e%2f%2e%2e%2fetc%2fpasswd'],
    ['a climb that ends at an object', (own: string) => `x/../${own}`],
    ['escaped slashes', (own: string) => own.replaceAll('/', '%2F')],
    ['doubled slashes', (own: string) => own.replaceAll('/', '//')],
    ['backslashes', (own: string) => own.replaceAll('/', '%5C')],
    ['a NUL', (own: string) => `${own}%00`],
    ['a NUL and another extension', (own: string) => `${own}%00.html`],
    ['a broken escape', (own: string) => `${own}%zz`],
    ['bytes that are no UTF-8', (own: string) => `${own}%ff`],
    ['another alphabet', (own: string) => own.replace('users', 'us%D0%B5rs')],
    ['upper case', (own: string) => own.toUpperCase()],
    ['a trailing slash', (own: string) => `${own}/`],
    ['ten kilobytes', () => 'a'.repeat(10_240)],
  ])('is not fooled by %s', async (_, pathOf) => {
    const response = await getRaw(server.origin, `/v1/storage/media/${pathOf(key)}`);

    expect([400, 404]).toContain(response.statusCode);
    expect(await json(response)).not.toHaveProperty('stack');
  });

  it('takes it easy when a client goes away in the middle of a download', async () => {
    const large = newKey();
    await server.storage.put(large, Buffer.alloc(32 * 1024 * 1024), JPEG);
    const largeUrl = await server.storage.readUrl(large);

    for (let round = 0; round < 5; round++) {
      const controller = new AbortController();
      const response = await fetch(largeUrl, { signal: controller.signal });
      await response.body?.getReader().read();
      controller.abort();
    }

    expect((await fetch(url)).status).toBe(200);
    expect(server.complaints).toEqual([]);
  });

  it('answers a problem when the disk does not play along', async () => {
    // A folder where the bytes should be, with metadata as for an object.
    const broken = newKey();
    const paths = new ObjectPaths(server.rootDir);
    const path = paths.object('media', broken);
    await mkdir(path, { recursive: true });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(paths.sidecar('media', broken, (await versionOf(path)).generation), JSON.stringify(JPEG));

    const response = await fetch(await server.storage.readUrl(broken));

    expect(response.status).toBe(503);
    expect(response.headers.get('cache-control')).toBeNull();
    expect(await response.json()).toMatchObject({ code: 'storage_unavailable' });
  });
});

describe(`${LocalStorageController.name}, reading with private access`, () => {
  let server: LocalStorageServer;
  let key: string;
  let url: string;

  beforeAll(async () => {
    server = await startLocalStorage({ access: 'private' });
    key = newKey();
    await server.storage.put(key, BYTES, JPEG);
    url = await server.storage.readUrl(key);
  });

  afterAll(async () => {
    await server.close();
  });

  it('serves a signed URL, to be kept by the browser for as long as the URL is valid', async () => {
    const response = await fetch(url);
    const [, maxAge] =
      /^private, max-age=(\d+), immutable$/.exec(response.headers.get('cache-control') ?? '') ?? [];

    expect(response.status).toBe(200);
    expect(Number(maxAge)).toBeGreaterThanOrEqual(299);
    expect(Number(maxAge)).toBeLessThanOrEqual(600);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  });

  it('refuses a read without a signature', async () => {
    expect(await refusal(url.split('?', 1)[0] ?? '')).toMatchObject({
      status: 403,
      code: 'signature_invalid',
    });
  });

  it('refuses a signature for another key', async () => {
    expect(await refusal(url.replace(key, newKey()))).toMatchObject({
      status: 403,
      code: 'signature_invalid',
    });
  });

  it.each([
    ['a longer life', (signed: URL) => signed.searchParams.set('expires', '4000000000')],
    ['a life without end', (signed: URL) => signed.searchParams.set('expires', 'Infinity')],
    ['two expiries', (signed: URL) => signed.searchParams.append('expires', '4000000000')],
    ['no expiry', (signed: URL) => signed.searchParams.delete('expires')],
    ['another signature', (signed: URL) => signed.searchParams.set('signature', 'A'.repeat(43))],
    ['two signatures', (signed: URL) => signed.searchParams.append('signature', 'x')],
  ])('refuses %s', async (_, change) => {
    const changed = new URL(url);
    change(changed);

    expect(await refusal(changed.href)).toMatchObject({ status: 403, code: 'signature_invalid' });
  });

  it('refuses an expired URL', async () => {
    const expires = Math.floor(Date.now() / 1000) - 1;
    const signature = server.storage.signer.signRead({ key, expires });
    const expired = `${server.origin}/v1/storage/media/${key}?expires=${expires}&signature=${signature}`;

    expect(await refusal(expired)).toMatchObject({ status: 400, code: 'signature_expired' });
  });

  it('refuses the signature of an upload', async () => {
    const upload = await server.storage.signUpload({
      key,
      contentType: 'image/jpeg',
      contentLength: 3,
      expiresAt: inMinutes(5),
    });

    expect(await refusal(upload.url.replace('/uploads/', '/media/'))).toMatchObject({
      code: 'signature_invalid',
    });
  });
});
