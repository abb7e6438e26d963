import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.js';
import { exchange, type Shot } from '../fuzz/api-wire.js';
import { problemOf, refusalOf } from '../support/openapi-problem.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';

const INVALID = '400 validation_failed';
const ID = '01937d4e-0000-7000-8000-000000000000';

let mediadock: TestApp;
let anybody: ApiClient;

beforeAll(async () => {
  mediadock = await startTestApp();
  anybody = mediadock.anonymous();
});
afterAll(async () => mediadock.close());

describe('what is no HTTP', () => {
  const HOST = 'Host: localhost\r\n';
  const CLOSE = 'Connection: close\r\n';

  it.each([
    ['words', 'hello\r\n\r\n'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/3.0', `GET / HTTP/3.0\r\n${HOST}\r\n`],
    ['an unknown method', `BREW /v1/media HTTP/1.1\r\n${HOST}\r\n`],
    ['a header of 20 KB', `GET / HTTP/1.1\r\n${HOST}X-Long: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['500 headers', `GET / HTTP/1.1\r\n${HOST}${'X-Many: 1\r\n'.repeat(3000)}\r\n`],
    ['an address of 20 KB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`],
    ['a raw byte in the address', `GET /v1/media/\xff HTTP/1.1\r\n${HOST}\r\n`],
    ['NUL in a header', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
    ['a blank before a colon', 'GET / HTTP/1.1\r\nHost : localhost\r\n\r\n'],
    ['a folded header', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`],
    ['line feeds alone', 'GET / HTTP/1.1\nHost: localhost\n\n'],
    ['two lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ['a negative length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`],
    [
      'a length and chunks',
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a chunk without a length',
      `POST /v1/media HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ['no host', 'GET /v1/quota HTTP/1.1\r\n\r\n'],
  ])('is answered like every mistake: %s', async (_what, bytes) => {
    expect(refusalOf(await rawRequest(mediadock.baseUrl, bytes))).toBe(INVALID);
  });

  it.each([
    [
      'an expectation that nobody can meet',
      `POST /v1/media/uploads HTTP/1.1\r\n${HOST}${CLOSE}Expect: tea\r\n\r\n`,
    ],
    ['an upgrade', `GET /v1/quota HTTP/1.1\r\n${HOST}Connection: upgrade, close\r\nUpgrade: h2c\r\n\r\n`],
    ['HTTP/1.0', 'GET /v1/quota HTTP/1.0\r\n\r\n'],
    ['the address of a proxy', `GET http://evil.example/v1/quota HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
  ])('or is odd, but HTTP, gets a problem too: %s', async (_what, bytes) => {
    const answer = await rawRequest(mediadock.baseUrl, bytes);
    expect(answer.status).toBeLessThan(500);
    expect(problemOf(answer).status).toBe(answer.status);
  });
});

describe('an address where nothing is', () => {
  const ADDRESSES = [
    '/v1 /v1/ /v1/nothing /v1/media/a/b/c /v1//media /v1/storage/media /v1/uploads',
    '/ /nothing /media /v2/media //v1/media /%2e%2e/x /health /health/nothing /metrics/nothing /docs/nothing',
  ];

  it.each(ADDRESSES.join(' ').split(' '))('is answered with not_found: %s', async (path) => {
    expect(refusalOf(await anybody.send('GET', path))).toBe('404 not_found');
  });

  it.each([
    ['PUT', '/v1/media'],
    ['PATCH', `/v1/media/${ID}`],
    ['POST', `/v1/media/${ID}`],
    ['GET', `/v1/media/${ID}/confirm`],
    ['DELETE', '/v1/quota'],
    ['TRACE', '/v1/media'],
    ['OPTIONS', '/v1/media'],
    ['POST', '/health/live'],
    ['POST', '/metrics'],
    ['DELETE', '/v1/storage/media/a'],
  ])('is answered with not_found for another method: %s %s', async (method, path) => {
    const line = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    expect(refusalOf(await rawRequest(mediadock.baseUrl, line))).toBe('404 not_found');
  });

  it.each([
    '*',
    'http://',
    'http://?a',
    'http://[::',
    'http://a:b@',
    'ftp://evil.example',
    'file://',
    'file:///etc/passwd',
  ])('is answered with not_found when it has no path: %s', async (target) => {
    const line = `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    expect(refusalOf(await rawRequest(mediadock.baseUrl, line))).toBe('404 not_found');
  });

  it('is answered with not_found when it is a whole network', async () => {
    const line = 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n';
    expect(refusalOf(await rawRequest(mediadock.baseUrl, line))).toBe('404 not_found');
  });
});

describe('the address of a proxy', () => {
  it('is the path of it', async () => {
    const line = `GET http://evil.example/v1/quota?a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    expect(problemOf(await rawRequest(mediadock.baseUrl, line)).instance).toBe('/v1/quota');
  });
});

/** Everything at once, over one connection. */
function send(text: string, requests: number, ending: Shot['ending'] = 'server') {
  const methods = Array.from({ length: requests }, () => 'GET');
  return exchange(mediadock.config.http.port, { bytes: Buffer.from(text, 'latin1'), methods, ending });
}

function request(path: string, ...headers: string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
}

describe('bytes behind a request', () => {
  it('are refused after its answer, however long that takes', async () => {
    for (const path of ['/docs-json', '/health/ready']) {
      const { answers, flaws } = await send(`${request(path)}and more\r\n\r\n`, 2);
      expect(flaws).toEqual([]);
      expect(answers.map(({ status }) => status)).toEqual([200, 400]);
    }
  });

  it('are not answered when it was to be the last', async () => {
    for (const path of ['/health/live', '/nothing', '/docs-json']) {
      const { answers, flaws } = await send(`${request(path, 'Connection: close')}and more\r\n\r\n`, 1);
      expect(flaws).toEqual([]);
      expect(answers).toHaveLength(1);
    }
  });

  it('are not answered when they are the rest of one that has its answer', async () => {
    for (const headers of [['Connection: close'], []]) {
      const chunked = request('/nothing', 'Transfer-Encoding: chunked', ...headers);
      const { answers, flaws } = await send(`${chunked}1\na\n0\n\n`, 1);
      expect(flaws).toEqual([]);
      expect(answers.map(({ status }) => status)).toEqual([404]);
    }
  });

  it('name the path of the request that they are part of', async () => {
    const chunked = `POST /v1/media/uploads?a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer ${tokenFor('mallory')}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`;
    expect(problemOf(await rawRequest(mediadock.baseUrl, chunked)).instance).toBe('/v1/media/uploads');
  });
});

describe('a client that is refused while it is still sending', () => {
  const MEBIBYTE = 1024 * 1024;

  it('hears why, though the connection is closed behind the answer', async () => {
    for (const [path, status] of [
      ['/v1/media', 401],
      ['/v1/nothing', 404],
    ] as const) {
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=B`;
      const { answers, fault } = await send(
        `${head}\r\nContent-Length: ${8 * MEBIBYTE}\r\n\r\n${'a'.repeat(8 * MEBIBYTE)}`,
        1,
      );
      expect({ fault, statuses: answers.map((answer) => answer.status) }).toEqual({
        fault: null,
        statuses: [status],
      });
    }
  });

  it('hears why, though its headers have no end', async () => {
    const { answers, fault } = await send(
      `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'a'.repeat(MEBIBYTE)}`,
      1,
    );
    expect({ fault, statuses: answers.map(({ status }) => status) }).toEqual({
      fault: null,
      statuses: [400],
    });
  });
});
