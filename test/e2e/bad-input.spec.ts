import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.js';
import { photo, pngImage } from '../support/images.js';
import { LogBook } from '../support/log-book.js';
import { problemOf, refusalOf } from '../support/openapi-problem.js';
import { rawRequest } from '../support/openapi-raw-request.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';

const INVALID = '400 validation_failed';
const ID = '01937d4e-0000-7000-8000-000000000000';
const REQUEST = '/v1/media/uploads';
const CONFIRM = `/v1/media/${ID}/confirm`;
const VALID = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };
const MEBIBYTE = 1024 * 1024;
const JSON_TYPE = 'application/json';

let mediadock: TestApp;
/** Sends nothing but bad input, so nothing may be left of it. */
let mallory: ApiClient;
const log = new LogBook();

beforeAll(async () => {
  mediadock = await startTestApp();
  mallory = mediadock.as('mallory');
  mediadock.app.useLogger(log);
});
afterAll(async () => mediadock.close());

function post(
  path: string,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
) {
  return mallory.send<unknown>('POST', path, {
    body,
    headers: body === null ? headers : { 'content-type': JSON_TYPE, ...headers },
  });
}

describe('a JSON body', () => {
  it.each<[what: string, body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>]>([
    ['that is cut off', '{"fileName":"a.jpg"'],
    ['with something after it', '{} {}'],
    ['that is a number', '5'],
    ['that is a string', '"fileName"'],
    ['that is true', 'true'],
    ['that is null', 'null'],
    ['that is an array', '[]'],
    ['that is an array of objects', JSON.stringify([VALID])],
    ['with a number that JSON does not know', '{"fileSize":NaN}'],
    ['with an unknown field', '{"admin":true}'],
    ['with a field named like one that every object has', '{"toString":1}'],
    ['with a prototype', '{"__proto__":{"admin":true}}'],
    ['of 2 MB', JSON.stringify({ fileName: 'a'.repeat(2_000_000) })],
    ['in a charset that nobody knows', '{}', { 'content-type': `${JSON_TYPE}; charset=klingon` }],
    ['in UTF-16', '{}', { 'content-type': `${JSON_TYPE}; charset=utf-16` }],
    ['in an unknown encoding', '{}', { 'content-encoding': 'rot13' }],
    ['that says gzip and is not', '{}', { 'content-encoding': 'gzip' }],
    [
      'that is a gzip bomb by its announcement only',
      new Uint8Array([0x1f, 0x8b]),
      { 'content-encoding': 'gzip' },
    ],
    ['nested 5,000 objects deep', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
    ['with a field nested 10,000 arrays deep', `{"width":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
  ])('%s is refused by every route', async (_what, body, headers) => {
    expect(refusalOf(await post(REQUEST, body, headers))).toBe(INVALID);
    expect(refusalOf(await post(CONFIRM, body, headers))).toBe(INVALID);
  });

  it.each<[what: string, body: string | null, headers: Record<string, string>]>([
    ['missing', null, {}],
    ['empty', '', {}],
    ['of another type', JSON.stringify(VALID), { 'content-type': 'text/plain' }],
    [
      'sent as a form',
      'fileName=a.jpg&mimeType=image/jpeg&fileSize=1',
      { 'content-type': 'application/x-www-form-urlencoded' },
    ],
    ['without a type', JSON.stringify(VALID), { 'content-type': '' }],
  ])('that is %s is refused where one is needed', async (_what, body, headers) => {
    expect(refusalOf(await post(REQUEST, body, headers))).toBe(INVALID);
  });

  it.each<[what: string, body: string, headers: Record<string, string>, reason: RegExp]>([
    ['that is cut off', '{', {}, /not valid JSON/],
    ['of 2 MB', JSON.stringify({ fileName: 'a'.repeat(2_000_000) }), {}, /larger/],
    ['in a charset that nobody knows', '{}', { 'content-type': `${JSON_TYPE}; charset=klingon` }, /charset/],
    ['in an unknown encoding', '{}', { 'content-encoding': 'rot13' }, /encoding/],
  ])('%s is refused with the reason', async (_what, body, headers, reason) => {
    const { detail, errors } = problemOf(await post(REQUEST, body, headers));
    expect(detail).toMatch(reason);
    expect(errors).toEqual([{ field: 'body', message: detail }]);
  });

  it('takes the last of two equal keys, and no key changes what all objects are', async () => {
    const twice = `{"fileName":"first.jpg","fileName":"last.jpg","mimeType":"image/jpeg","fileSize":9}`;
    const inherited = `{"__proto__":{"polluted":1},"fileName":"a.jpg","mimeType":"image/jpeg","fileSize":9}`;
    const alice = mediadock.as('alice');
    const send = (body: string) =>
      alice.send<{ mediaFileId: string }>('POST', REQUEST, { body, headers: { 'content-type': JSON_TYPE } });
    const { body: ticket } = await send(twice);
    expect((await alice.get(ticket.mediaFileId)).body.originalFileName).toBe('last.jpg');
    expect(refusalOf(await send(inherited))).toBe(INVALID);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('a field of the wrong kind', () => {
  // As JSON text, for what no JavaScript value would be written as.
  const NEVER = ['[]', '{}', 'true', '["a"]', '{"a":1}'];
  const NO_TEXT = [...NEVER, 'null', '7', '""'];
  const NO_SIZE = [
    ...NEVER,
    'null',
    '"9"',
    '0',
    '-0',
    '-1',
    '1.5',
    '1e-9',
    '1e400',
    '-1e400',
    '1e308',
    '9007199254740993',
  ];
  const NO_HASH = [...NEVER, '7', '""', '"abc"', `"${'g'.repeat(64)}"`, `"${'a'.repeat(65)}"`];
  const NO_SIDE = [...NEVER, '"640"', '0', '-1', '1.5', '1e400', '1000001'];
  const cases = Object.entries({
    fileName: NO_TEXT,
    mimeType: [...NEVER, 'null', '7', `"${'m'.repeat(256)}"`],
    fileSize: NO_SIZE,
    contentHash: NO_HASH,
    width: NO_SIDE,
    height: NO_SIDE,
  }).flatMap(([field, values]) => values.map((value): [string, string] => [field, value]));

  it.each(cases)('is refused by name: %s = %s', async (field, value) => {
    const side = field === 'width' || field === 'height';
    const rest = side ? {} : { ...VALID, [field]: undefined };
    const others = Object.entries(JSON.parse(JSON.stringify(rest))).map(
      ([name, other]) => `"${name}":${JSON.stringify(other)}`,
    );
    const answer = await post(side ? CONFIRM : REQUEST, `{${[...others, `"${field}":${value}`].join(',')}}`);
    expect(refusalOf(answer)).toBe(INVALID);
    expect(problemOf(answer).errors?.map((error) => error.field)).toEqual([field]);
  });
});

describe('the reason of a refusal', () => {
  it.each([
    [REQUEST, { ...VALID, fileName: 7 }, 'fileName must be a string'],
    [REQUEST, { ...VALID, mimeType: 7 }, 'mimeType must be a string'],
    [REQUEST, { ...VALID, fileSize: '9' }, 'fileSize must be a whole number of bytes'],
    [REQUEST, { ...VALID, fileSize: 0 }, 'fileSize must be at least 1'],
    [CONFIRM, { width: '640' }, 'width must be a whole number of pixels'],
    [CONFIRM, { width: 1_000_001 }, 'width must be at most 1000000'],
  ])('is the one that helps: %s %j', async (path, body, message) => {
    expect(problemOf(await post(path, JSON.stringify(body))).errors).toEqual([
      { field: message.split(' ', 1)[0], message },
    ]);
  });
});

describe('an id in a path', () => {
  it.each([
    ['that climbs', '..%2f..%2fetc%2fpasswd'],
    ['that is NUL', '%00'],
    ['with NUL at its end', `${ID}%00`],
    ['that is a slash', '%2f'],
    ['of 10 KB', 'a'.repeat(10_240)],
    ['in Unicode', encodeURIComponent('ünïcode😀')],
    ['in digits that only look like digits', encodeURIComponent(ID.replaceAll('0', '０'))],
    ['with a broken escape', '%zz'],
    ['with an overlong escape', '%C0%AF'],
    ['that ends in an escape', '%'],
    ['that is a word', 'null'],
    ['that is a number', '1'],
    ['with something after it', `${ID}x`],
    ['in braces', `%7B${ID}%7D`],
    ['without dashes', ID.replaceAll('-', '')],
    ['with SQL in it', encodeURIComponent("' or '1'='1")],
  ])('%s is refused', async (_what, id) => {
    for (const [method, path] of [
      ['GET', id],
      ['DELETE', id],
      ['POST', `${id}/confirm`],
    ] as const) {
      expect(refusalOf(await mallory.send(method, `/v1/media/${path}`))).toBe(INVALID);
    }
  });

  it('may be in upper case', async () => {
    expect(refusalOf(await mallory.send('GET', `/v1/media/${ID.toUpperCase()}`))).toBe('404 not_found');
  });
});

describe('the query of a list', () => {
  it.each([
    ...['0', '101', '-1', '1.5', '', 'ten', '0x10', '1e1', '%00', '%zz', '%EF%BC%91', '9'.repeat(400)].map(
      (limit) => `limit=${limit}`,
    ),
    ...['', 'gone', 'READY', 'ready,failed'].map((status) => `status=${status}`),
    ...['', 'text', 'image%00'].map((mediaType) => `mediaType=${mediaType}`),
    ...['', 'x', 'A'.repeat(40), 'A'.repeat(10_000), '%00', '..%2f', `${'A'.repeat(39)}=`].map(
      (cursor) => `cursor=${cursor}`,
    ),
    'limit=1&limit=2',
    'status=ready&status=failed',
    'cursor=a&cursor=b',
    'limit[]=1',
    'limit[a]=1',
    'offset=5',
    ...['toString', 'constructor', '__proto__', 'hasOwnProperty'].map((name) => `${name}=1`),
    '=',
  ])('is refused: %s', async (query) => {
    expect(refusalOf(await mallory.send('GET', `/v1/media?${query}`))).toBe(INVALID);
  });

  it('with a cursor in which one character is another one is refused', async () => {
    const alice = mediadock.as('alice');
    for (let index = 0; index < 2; index += 1) {
      await alice.requestUpload(VALID);
    }
    const { body } = await alice.list({ limit: '1' });
    const cursor = String(body.nextCursor);
    for (const place of [0, 1, 12, 25, 39]) {
      const other = cursor[place] === 'B' ? 'C' : 'B';
      const garbled = `${cursor.slice(0, place)}${other}${cursor.slice(place + 1)}`;
      expect(refusalOf(await alice.list({ cursor: garbled }))).toBe(INVALID);
    }
  });
});

const PART = 'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg';

function parts(...list: string[]): string {
  return `${list.map((part) => `--B\r\n${part}\r\n\r\nbytes\r\n`).join('')}--B--\r\n`;
}

describe('a multipart body', () => {
  const field = 'Content-Disposition: form-data; name="note"';

  it.each<[what: string, body: string, type?: string]>([
    ['without a part', parts()],
    ['with the file in another part', parts(PART.replace('"file"', '"photo"'))],
    ['with two files', parts(PART, PART)],
    ['with a field before the file', parts(field, PART)],
    ['with a field after the file', parts(PART, field)],
    ['with the file as a field', parts('Content-Disposition: form-data; name="file"')],
    ['without a file name', parts(PART.replace('; filename="a.jpg"', ''))],
    ['without a part name', parts(PART.replace('; name="file"', ''))],
    ['without a disposition', parts('Content-Type: image/jpeg')],
    ['with a part name that is no name', parts(PART.replace('"file"', '"__proto__"'))],
    ['with a header that is none', parts('Content-Dis\0position')],
    ['with an empty file', parts(PART).replace('bytes', '')],
    ['without a boundary', parts(PART), 'multipart/form-data'],
    ['with another boundary than announced', parts(PART), 'multipart/form-data; boundary=C'],
    ['that is cut off in the file', parts(PART).slice(0, -12)],
    ['that is cut off in a header', '--B\r\nContent-Disp'],
    ['that is empty', ''],
    ['of another kind', parts(PART), 'multipart/mixed; boundary=B'],
    ['that is JSON', '{}', JSON_TYPE],
    ['that is the file itself', 'bytes', 'image/jpeg'],
  ])('%s is refused', async (_what, body, type = 'multipart/form-data; boundary=B') => {
    expect(refusalOf(await post('/v1/media', body, { 'content-type': type }))).toBe(INVALID);
  });

  it('that ends with the connection is refused', async () => {
    const head = `POST /v1/media HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenFor('mallory')}\r\n`;
    const body = `Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000\r\n\r\n${parts(PART)}`;
    const answer = await rawRequest(mediadock.baseUrl, head + body, { halfClose: true });
    expect(refusalOf(answer)).toBe(INVALID);
  });

  it.each<[what: string, bytes: () => Promise<Buffer> | Buffer, type: string, refusal: string]>([
    ['one byte over 1 MiB', () => Buffer.alloc(MEBIBYTE + 1), 'image/jpeg', '413 file_too_large'],
    ['30 MiB', () => Buffer.alloc(30 * MEBIBYTE), 'image/jpeg', '413 file_too_large'],
    ['an SVG', () => Buffer.from('<svg/>'), 'image/svg+xml', '415 invalid_type'],
    ['a page', () => Buffer.from('<html>'), 'text/html', '415 invalid_type'],
    ['a PDF', () => Buffer.from('%PDF-1.7'), 'application/pdf', '415 invalid_type'],
    ['a photo of no type', () => photo(20, 20), '', '415 invalid_type'],
    ['a photo of any type', () => photo(20, 20), 'image/*', '415 invalid_type'],
    ['a JPEG that says PNG', () => photo(20, 20), 'image/png', '415 type_mismatch'],
    ['a PNG that says JPEG', () => pngImage(20, 20), 'image/jpeg', '415 type_mismatch'],
    [
      'a page that says JPEG',
      () => Buffer.from('<!doctype html><script>'),
      'image/jpeg',
      '415 type_mismatch',
    ],
    ['zeros', () => Buffer.alloc(MEBIBYTE), 'image/jpeg', '415 type_mismatch'],
    ['random bytes', () => Buffer.from('8f3a6c19d2', 'hex'), 'image/webp', '415 type_mismatch'],
  ])('with %s is refused', async (_what, bytes, type, refusal) => {
    expect(refusalOf(await mallory.uploadDirect<unknown>(await bytes(), type))).toBe(refusal);
  });
});

describe('an upload request', () => {
  it.each([
    [{ fileSize: 10 * MEBIBYTE + 1 }, '413 file_too_large'],
    [{ fileSize: Number.MAX_SAFE_INTEGER }, '413 file_too_large'],
    [{ mimeType: 'image/svg+xml' }, '415 invalid_type'],
    [{ mimeType: 'text/html' }, '415 invalid_type'],
    [{ mimeType: 'image/jpeg; charset=utf-8' }, '415 invalid_type'],
    [{ mimeType: 'image/jpeg\r\nx-evil: 1' }, '415 invalid_type'],
    [{ mimeType: '' }, '415 invalid_type'],
    [{ mimeType: 'constructor' }, '415 invalid_type'],
  ])('for %o is refused', async (change, refusal) => {
    expect(refusalOf(await mallory.requestUpload<unknown>({ ...VALID, ...change }))).toBe(refusal);
  });
});

describe('after all that', () => {
  it('nothing is left of it: no row, no byte, no reservation', async () => {
    expect((await mallory.list()).body.items).toEqual([]);
    expect(await mallory.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
  });

  it('the service has not failed once, and is ready', async () => {
    const { body } = await mallory.send<string>('GET', '/metrics');
    expect(
      body
        .split('\n')
        .filter((line) => /^mediadock_http_request_duration_seconds_count.*status="5/.test(line)),
    ).toEqual([]);
    expect((await mallory.send('GET', '/health/ready')).status).toBe(200);
    expect(log.lines('', 'error')).toEqual([]);
  });
});
