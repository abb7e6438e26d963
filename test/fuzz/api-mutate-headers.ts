import type { LocatedOperation } from '../support/openapi-document.js';
import { type Draft, type Header, headerOf, parametersOf, type Variation, withHeader } from './api-draft.js';
import { authorizations } from './api-tokens.js';
import { boundariesOf, brief } from './api-values.js';

/** What a header may hold; line breaks would end it, and are for the wire. */
const VALUES: readonly string[] = [
  '',
  ' ',
  '\t',
  '0',
  '-1',
  '1e400',
  '9'.repeat(400),
  'NaN',
  'null',
  '*',
  '"',
  '""',
  "'",
  '\\',
  ',',
  ', ,',
  ';',
  '=',
  '%00',

  '%0d%0ax-injected: 1',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  '${7*7}',
  "' or 1=1 --",
  '<script>',
  'a b',
  'a,b',

  'caf\xe9',
  '\x80\xff',
  'a'.repeat(255),
  'a'.repeat(256),
  'a'.repeat(8000),
  ','.repeat(5000),
  '1,'.repeat(3000),
];

/** Headers that some part of the way reads, with what they may say. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  Range: [
    'bytes=0-0',
    'bytes=0-',
    'bytes=-1',
    'bytes=-0',
    'bytes=5-2',
    'bytes=0-0,2-2',
    'bytes=0-99999999999999999999',

    'bytes=999999-',
    'bytes=-999999',
    'bytes=a-b',
    'bytes=',
    'bytes',
    '=',
    'lines=0-1',
    'BYTES=0-1',
    'bytes= 0 - 1 ',
    'bytes=0-1;',
    'bytes=--1',
    'bytes=1e3-',
    'bytes=0x0-0x1',
    `bytes=${'0-0,'.repeat(1000)}1-1`,
    'none',
  ],
  'If-Range': [
    '"a"',
    'W/"a"',
    '*',
    'Thu, 01 Jan 1970 00:00:00 GMT',
    'Fri, 01 Jan 2100 00:00:00 GMT',
    'not a date',
  ],
  'If-Match': ['*', '"a"', 'W/"a"', '"a", "b"', 'a', `${'"a",'.repeat(1000)}"b"`],
  'If-None-Match': ['*', '"a"', 'W/"a"', '"a", "b"', 'a', `${'"a",'.repeat(1000)}"b"`, ' '.repeat(5000)],
  'If-Modified-Since': ['Thu, 01 Jan 1970 00:00:00 GMT', 'Fri, 01 Jan 2100 00:00:00 GMT', 'x', '-1', '1e400'],
  'If-Unmodified-Since': ['Thu, 01 Jan 1970 00:00:00 GMT', 'Fri, 01 Jan 2100 00:00:00 GMT', 'x', '0'],
  'X-Request-Id': [
    'a',
    'a.b:c-d_e',
    'a'.repeat(128),
    'a'.repeat(129),
    'a b',
    'a\tb',
    '<script>',
    '\xe9',
    '{}',
    'a;b',
    'a, b',
  ],
  'Idempotency-Key': ['key', 'a b', '~', 'a\tb', '\xe9', '"quoted"', 'a,b', 'key '.repeat(80)],
  Accept: [
    'text/html',
    'image/webp',
    'application/json;q=0',
    '*/*;q=0',
    'a'.repeat(5000),
    `${'a/b,'.repeat(1500)}c/d`,
  ],
  'Accept-Encoding': [
    'gzip',
    'br',
    'identity;q=0',
    '*;q=0',
    'gzip, deflate, br, zstd',
    `${'gzip,'.repeat(1500)}br`,
  ],
  'Accept-Language': ['de', '*', `${'de-DE,'.repeat(1000)}en`],
  'Accept-Charset': ['utf-16', 'klingon'],
  Origin: [
    'null',
    'https://evil.example',
    'http://127.0.0.1',
    'file://',
    'a'.repeat(5000),
    'https://app.example.com',
  ],
  'Access-Control-Request-Method': ['GET', 'PUT', 'BREW'],
  Cookie: ['a=b', '__proto__=1', `${'a=b;'.repeat(1500)}c=d`],
  Host: [
    '',
    'evil.example',
    'localhost:99999',
    '[::1]',
    '[::',
    'a b',
    'a@b',
    '127.0.0.1:1/../..',
    'a'.repeat(5000),
    '%00',
  ],
  'X-Forwarded-For': ['127.0.0.1', '::1', 'x', `${'1.1.1.1,'.repeat(800)}2.2.2.2`],
  'X-Forwarded-Host': ['evil.example', 'a/b', ''],
  'X-Forwarded-Proto': ['https', 'javascript', ''],
  Forwarded: ['for=127.0.0.1;host=evil.example;proto=https'],
  'X-HTTP-Method-Override': ['DELETE', 'PUT', 'TRACE'],
  'X-Original-URL': ['/metrics'],
  'Content-Disposition': ['attachment; filename="a.jpg"'],
  'Content-Range': ['bytes 0-0/1', 'bytes */1'],
  'Content-MD5': ['AAAA'],
  Upgrade: ['websocket', 'h2c', 'TLS/1.0', ''],
  'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ=='],
  'HTTP2-Settings': ['AAMAAABkAARAAAAAAAIAAAAA'],
  Expect: ['100-continue', '100-Continue', 'tea', '', '100-continue, tea'],
  Trailer: ['Authorization', 'Content-Length'],
  TE: ['trailers', 'chunked', 'gzip;q=1'],
  'Max-Forwards': ['0', '-1'],
  Via: ['1.1 proxy'],
  Pragma: ['no-cache'],
  'Cache-Control': ['no-cache', 'max-age=0', 'only-if-cached'],
  Warning: ['199 - "a"'],
  'Keep-Alive': ['timeout=0', 'max=1'],
  'Proxy-Authorization': ['Basic YTpi'],
  'Proxy-Connection': ['keep-alive'],
  DNT: ['1'],
  'User-Agent': ['', 'a'.repeat(8000), '() { :; }; echo a', '${jndi:ldap://127.0.0.1/a}'],
};

/** What can be wrong with the headers of a request, those that its operation documents among them. */
export function headerVariations(operation: LocatedOperation, token: string): Variation[] {
  return [
    ...parametersOf(operation, 'header').flatMap(({ name, schema = {} }) => [
      ...[...boundariesOf(schema, schema.example).map(String).filter(isWritable), ...VALUES].map((value) =>
        setting(name, value),
      ),
      setting(name, null),
      doubled(name),
    ]),
    ...Object.entries(KNOWN).flatMap(([name, values]) => values.map((value) => setting(name, value))),
    ...Object.entries(authorizations(token)).map(([name, value]): Variation => ({
      name: `Authorization: ${name}`,
      apply: (draft) => withHeader(draft, 'Authorization', value),
    })),
    ...['Authorization', 'Content-Type', 'X-Request-Id', 'Range', 'Idempotency-Key', 'Cookie', 'Origin'].map(
      doubled,
    ),
  ];
}

/** What has a character of more than a byte cannot be sent as a header. */
function isWritable(value: string): boolean {
  return !/[^\t\x20-\xff]/.test(value);
}

function setting(name: string, value: string | null): Variation {
  return {
    name: value === null ? `without ${name}` : `${name}: ${brief(value)}`,
    apply: (draft) => withHeader(draft, name, value),
  };
}

/** Once as it was, and once more. */
function doubled(name: string): Variation {
  return {
    name: `${name} twice`,
    apply: (draft: Draft) => {
      const first = headerOf(draft, name) ?? 'bytes=0-1';
      const second: Header = [name, `${first}x`];
      return {
        ...withHeader(draft, name, first),
        headers: [...withHeader(draft, name, first).headers, second],
      };
    },
  };
}
