import { randomBytes } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IS_PUBLIC } from '../../src/common/public.decorator.js';
import type { SignedUpload } from '../../src/storage/object-storage.js';
import { LocalStorageController } from '../../src/storage/local/local-storage.controller.js';
import { inMinutes, newKey } from '../contract/object-storage.harness.js';
import { filesBelow } from '../support/files-below.js';
import { type LocalStorageServer, startLocalStorage } from '../support/local-storage-server.js';

/** Begins a PUT whose body is up to the test. */
function put(
  { url, headers }: SignedUpload,
  more: Record<string, string> = {},
  agent?: Agent,
): ClientRequest {
  return httpRequest(url, { method: 'PUT', headers: { ...headers, ...more }, ...(agent && { agent }) });
}

async function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
}

/** The request line and headers of a PUT, for a client that speaks HTTP by hand. */
function headOf({ url, headers }: SignedUpload, more: Record<string, string> = {}): string {
  const { host, pathname, search } = new URL(url);
  const lines = Object.entries({ host, connection: 'close', ...headers, ...more }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `PUT ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

describe(`${LocalStorageController.name}, receiving uploads`, () => {
  let server: LocalStorageServer;

  beforeEach(async () => {
    server = await startLocalStorage();
  });

  afterEach(async () => {
    await server.close();
  });

  async function sign(key: string, contentLength: number): Promise<SignedUpload> {
    return server.storage.signUpload({
      key,
      contentType: 'image/jpeg',
      contentLength,
      expiresAt: inMinutes(5),
    });
  }

  it('answers 200, with the version of the stored bytes and no body', async () => {
    const key = newKey();
    const signed = await sign(key, 3);

    const answer = await answerTo(put(signed).end('abc'));

    expect(answer.statusCode).toBe(200);
    expect(answer.headers.etag).toBe(`"${(await server.storage.stat('uploads', key))?.generation}"`);
    expect(await text(answer)).toBe('');
  });

  it('needs neither a bearer token nor a place in the rate limit', () => {
    expect(Reflect.getMetadata(IS_PUBLIC, LocalStorageController)).toBe(true);
    expect(Reflect.getMetadata('THROTTLER:SKIPdefault', LocalStorageController)).toBe(true);
  });

  it.each([
    ['signature_invalid', 403, { 'content-type': 'text/html' }],
    ['signature_invalid', 403, { 'x-goog-if-generation-match': '0, 0' }],
    ['length_mismatch', 400, { 'content-length': '4' }],
  ])('answers a problem: %s', async (code, status, headers) => {
    const answer = await answerTo(
      put(await sign(newKey(), 3), headers).end('abcd'.slice(0, 'content-length' in headers ? 4 : 3)),
    );

    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(await json(answer)).toMatchObject({ status, code });
    expect(await filesBelow(server.rootDir)).toEqual([]);
  });

  it('names the signed header that is missing', async () => {
    const { url, headers } = await sign(newKey(), 3);
    const { 'x-goog-if-generation-match': _, ...rest } = headers;

    const answer = await answerTo(put({ url, headers: rest }).end('abc'));

    expect(await json(answer)).toMatchObject({
      status: 400,
      code: 'signed_header_missing',
      detail: expect.stringContaining('x-goog-if-generation-match'),
    });
  });

  it.each([
    ['a climb', (own: string) => `x/../${own}`],
    ['escaped slashes', (own: string) => own.replaceAll('/', '%2F')],
    ['a NUL', (own: string) => `${own}%00`],
    ['ten kilobytes', () => 'a'.repeat(10_240)],
  ])('is not fooled by %s in the path', async (_, pathOf) => {
    const key = newKey();
    const { url, headers } = await sign(key, 3);
    const { search } = new URL(url);

    const request = httpRequest(server.origin, {
      method: 'PUT',
      path: `/v1/storage/uploads/${pathOf(key)}${search}`,
      headers: { ...headers, 'content-length': '3' },
    });
    const answer = await answerTo(request.end('abc'));

    expect(answer.statusCode).toBe(403);
    expect(await filesBelow(server.rootDir)).toEqual([]);
  });

  it('refuses the signature of a read', async () => {
    const key = newKey();
    const expires = Math.floor(Date.now() / 1000) + 60;
    const signature = server.storage.signer.signRead({ key, expires });
    const { headers } = await sign(key, 3);

    const url = `${server.origin}/v1/storage/uploads/${key}?expires=${expires}&signature=${signature}`;
    const answer = await answerTo(put({ url, headers }).end('abc'));

    expect(answer.statusCode).toBe(403);
  });

  it('asks for a length when there is none, not even a chunked body', async () => {
    const signed = await sign(newKey(), 3);

    const socket = connect(Number(new URL(signed.url).port), '127.0.0.1');
    socket.write(headOf(signed));

    expect(await text(socket)).toMatch(/^HTTP\/1\.1 411 .*"code":"length_required"/s);
  });

  it('refuses a wrong length by what is declared, before the body comes', async () => {
    const request = put(await sign(newKey(), 3), { 'content-length': '1000000000' });
    request.flushHeaders();

    const answer = await answerTo(request);
    request.on('error', () => undefined).destroy();

    expect(answer.statusCode).toBe(400);
  });

  it('refuses a chunked body at the first byte too many, while the client is still sending', async () => {
    const request = put(await sign(newKey(), 1000));
    request.write(Buffer.alloc(1001));

    const answer = await answerTo(request);

    expect(await json(answer)).toMatchObject({ status: 400, code: 'length_mismatch' });
    request.on('error', () => undefined).destroy();
    expect(await filesBelow(server.rootDir)).toEqual([]);
  });

  it('refuses a chunked body that ends too early', async () => {
    const answer = await answerTo(put(await sign(newKey(), 1000)).end(Buffer.alloc(999)));

    expect(await json(answer)).toMatchObject({ status: 400, code: 'length_mismatch' });
    expect(await filesBelow(server.rootDir)).toEqual([]);
  });

  it('says that the URL was used before the body comes', async () => {
    const signed = await sign(newKey(), 3);
    await answerTo(put(signed).end('abc'));

    const again = put(signed, { 'content-length': '3' });
    again.flushHeaders();
    const answer = await answerTo(again);
    again.on('error', () => undefined).destroy();

    expect(await json(answer)).toMatchObject({ status: 412, code: 'object_exists' });
  });

  it('leaves nothing of an upload that breaks off, and lets the client begin again', async () => {
    const signed = await sign(newKey(), 100_000);
    const broken = put(signed, { 'content-length': '100000' });
    broken.on('error', () => undefined).write(Buffer.alloc(50_000));
    await vi.waitFor(
      async () => expect(await filesBelow(join(server.rootDir, 'tmp'))).toHaveLength(1),
      10_000,
    );

    broken.destroy();

    await vi.waitFor(async () => expect(await filesBelow(server.rootDir)).toEqual([]), 10_000);
    expect((await answerTo(put(signed).end(randomBytes(100_000)))).statusCode).toBe(200);
    expect(server.complaints).toEqual([]);
  });

  it('keeps the connection usable after refusing a small body', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const signed = await sign(newKey(), 100_000);

    const refused = await answerTo(
      put(signed, { 'content-type': 'text/html' }, agent).end(randomBytes(100_000)),
    );
    await text(refused);
    const second = put(signed, {}, agent).end(randomBytes(100_000));
    const accepted = await answerTo(second);
    await text(accepted);
    agent.destroy();

    expect([refused.statusCode, accepted.statusCode]).toEqual([403, 200]);
    expect(second.reusedSocket).toBe(true);
  });

  it('answers every client that sends a large body, instead of resetting its connection', async () => {
    const signed = await sign(newKey(), 20_000_000);

    for (let round = 0; round < 10; round++) {
      const answer = await answerTo(
        put(signed, { 'content-type': 'text/html' }).end(Buffer.alloc(20_000_000)),
      );
      expect(answer.statusCode).toBe(403);
      answer.destroy();
    }
  });

  it('cuts the connection of a client that goes on and on after its answer', async () => {
    let sent = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          sent += 65_536;
          yield Buffer.alloc(65_536);
        }
      })(),
    );
    const request = put(await sign(newKey(), 1000), { 'content-type': 'text/html' });
    const closed = new Promise((resolve) => {
      request.once('close', resolve).on('error', () => undefined);
    });
    const answer = answerTo(request);
    endless.pipe(request);

    expect((await answer).statusCode).toBe(403);
    await closed;
    endless.destroy();
    // What was discarded, and what was still in the buffers of two sockets.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('answers a problem when the disk does not play along', async () => {
    const signed = await sign(newKey(), 3);
    await mkdir(server.rootDir, { recursive: true });
    await writeFile(join(server.rootDir, 'uploads'), 'a file where a folder should be');

    const failed = await answerTo(put(signed).end('abc'));
    await rename(join(server.rootDir, 'uploads'), join(server.rootDir, 'aside'));
    const repeated = await answerTo(put(signed).end('abc'));

    expect(await json(failed)).toMatchObject({ status: 503, code: 'storage_unavailable' });
    expect(repeated.statusCode).toBe(200);
  });
});
