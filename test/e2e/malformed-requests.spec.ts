import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.js';
import { problemOf, refusalOf } from '../support/openapi-problem.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

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
});
