import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { bodyBytes, type Draft, type Variation, withBytes, withHeader } from './api-draft.js';
import { brief } from './api-values.js';

const KIBIBYTE = 1024;
const JSON_TYPE = 'application/json';
/** What a server would have to hold that believes what it unpacks: a thousand times what was sent. */
const BOMB_BYTES = 48 * KIBIBYTE * KIBIBYTE;

const CONTENT_TYPES: readonly string[] = [
  '',
  ' ',
  ';',
  '/',
  'a',
  'a/',
  '/b',
  '*/*',
  'text/plain',
  'text/html',
  'text/xml',
  'image/jpeg',
  'image/svg+xml',

  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'application/xml',
  'application/jsonx',

  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary=""',
  'multipart/mixed',
  'multipart/form-data; boundary=a; boundary=b',
  `multipart/form-data; boundary=${'b'.repeat(5000)}`,

  'multipart/form-data; boundary="\\"',
  'multipart/form-data;',
  'multipart/form-data; charset=utf-16; boundary=a',

  'APPLICATION/JSON',
  'application/json;',
  'application/json;;',
  'application/json; a',
  'application/json,text/plain',

  'application/problem+json',
  'application/json; charset',
  'application/json; charset=',
  'application/json; charset=""',
  ...[
    'utf-8',
    '"utf-8"',
    'UTF8',
    'utf-16',
    'utf-16le',
    'utf-32',
    'utf-7',
    'latin1',
    'klingon',
    'ebcdic',
    '__proto__',
  ].map((charset) => `application/json; charset=${charset}`),
  `application/json; charset=${'u'.repeat(5000)}`,
  `application/json${';a=b'.repeat(1000)}`,
  `application/json;${' '.repeat(5000)}x`,
  'application/json; charset=utf-8; charset=klingon',
];

/** The text of a body in other clothes. */
const WRITTEN_AS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'behind a byte order mark': (bytes) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]),
  'in UTF-16, little end first': (bytes) => Buffer.from(`\ufeff${bytes.toString()}`, 'utf16le'),
  'in UTF-16, big end first': (bytes) => Buffer.from(`\ufeff${bytes.toString()}`, 'utf16le').swap16(),
  'in UTF-32': (bytes) => Buffer.concat([...bytes].map((byte) => Buffer.from([byte, 0, 0, 0]))),
  'with a byte that is no UTF-8': replacing([0xff]),
  'with an overlong NUL': replacing([0xc0, 0x80]),
  'with a surrogate in UTF-8': replacing([0xed, 0xa0, 0x80]),
  'with half a character': replacing([0xf0, 0x9f]),
  'with more than Unicode has': replacing([0xf5, 0x80, 0x80, 0x80]),
  'with a raw NUL': replacing([0]),
  'cut in the middle': (bytes) => bytes.subarray(0, bytes.length / 2),
  twice: (bytes) => Buffer.concat([bytes, bytes]),
  'with blanks for 70 KB': (bytes) => Buffer.concat([bytes, Buffer.alloc(70 * KIBIBYTE, ' ')]),
};

/** Replaces the last letter, which in an honest body is in some text. */
function replacing(by: readonly number[]): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const at = bytes.findLastIndex((byte) => byte >= 0x61 && byte <= 0x7a);
    return Buffer.concat([bytes.subarray(0, Math.max(0, at)), Buffer.from(by), bytes.subarray(at + 1)]);
  };
}

const PACKED: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => gzipSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes),
  zstd: (bytes) => zstdCompressSync(bytes),
};

/** What the header says, and what is done to the bytes. */
const ENCODINGS: readonly (readonly [name: string, header: string, pack: (bytes: Buffer) => Buffer])[] = [
  ...Object.entries(PACKED).map(([name, pack]) => [name, name, pack] as const),
  ...Object.entries(PACKED).map(
    ([name, pack]) => [`${name}, cut off`, name, (bytes: Buffer) => pack(bytes).subarray(0, -6)] as const,
  ),
  ...Object.keys(PACKED).map((name) => [`${name} that is none`, name, (bytes: Buffer) => bytes] as const),
  ...Object.entries(PACKED).map(
    ([name, pack]) => [`a bomb of ${name}`, name, once(() => pack(bomb()))] as const,
  ),
  ['deflate without its head', 'deflate', (bytes) => deflateRawSync(bytes)],
  ['gzip with something after it', 'gzip', (bytes) => Buffer.concat([gzipSync(bytes), Buffer.from('rest')])],
  ['gzip in two members', 'gzip', (bytes) => Buffer.concat([gzipSync(bytes), gzipSync(bytes)])],
  ['gzip, called br', 'br', (bytes) => gzipSync(bytes)],
  ['gzip of gzip', 'gzip, gzip', (bytes) => gzipSync(gzipSync(bytes))],
  ['gzip by another name', 'x-gzip', (bytes) => gzipSync(bytes)],
  ['gzip in capitals', 'GZIP', (bytes) => gzipSync(bytes)],
  ['a checksum that is wrong', 'gzip', (bytes) => spoilt(gzipSync(bytes))],
  ...[
    'identity',
    'rot13',
    'compress',
    '*',
    '',
    ' ',
    '__proto__',
    'constructor',
    'gzip;q=0',
    'a'.repeat(5000),
  ].map((header) => [`the encoding ${brief(header)}`, header, (bytes: Buffer) => bytes] as const),
];

function bomb(): Buffer {
  return Buffer.alloc(BOMB_BYTES, ' ');
}

function once(make: () => Buffer): () => Buffer {
  let made: Buffer | null = null;
  return () => (made ??= make());
}

function spoilt(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 5] = (copy[copy.length - 5] ?? 0) ^ 0xff;
  return copy;
}

const SIZES: readonly number[] = [
  64 * KIBIBYTE - 1,
  64 * KIBIBYTE,
  64 * KIBIBYTE + 1,
  KIBIBYTE ** 2,
  3 * KIBIBYTE ** 2,
];

/** What can be wrong with the body of any request, also of one that should have none. */
export const BODY_VARIATIONS: readonly Variation[] = [
  ...CONTENT_TYPES.map((type): Variation => ({
    name: `Content-Type: ${brief(type)}`,
    apply: (draft) => withHeader(withSomeBody(draft), 'Content-Type', type),
  })),
  { name: 'no Content-Type', apply: (draft) => withHeader(withSomeBody(draft), 'Content-Type', null) },
  { name: 'no body', apply: (draft) => ({ ...draft, body: { kind: 'none' } }) },
  { name: 'a body of no length', apply: (draft) => withBytes(draft, Buffer.alloc(0)) },
  ...Object.entries(WRITTEN_AS).map(([name, write]): Variation => ({
    name: `a body ${name}`,
    apply: (draft) => withBytes(withSomeBody(draft), write(bodyBytes(withSomeBody(draft)))),
  })),
  {
    name: 'a body in UTF-16 that says so',
    apply: (draft) =>
      withBytes(
        draft,
        Buffer.from(bodyBytes(withSomeBody(draft)).toString(), 'utf16le'),
        `${JSON_TYPE}; charset=utf-16le`,
      ),
  },
  ...ENCODINGS.map(([name, header, pack]): Variation => ({
    name: `a body in ${name}`,
    apply: (draft) =>
      withHeader(
        withBytes(withSomeBody(draft), pack(bodyBytes(withSomeBody(draft)))),
        'Content-Encoding',
        header,
      ),
  })),
  ...SIZES.flatMap((size): Variation[] => [
    { name: `${size} bytes of JSON`, apply: (draft) => withBytes(draft, jsonOf(size), JSON_TYPE) },
    { name: `${size} bytes of zeros`, apply: (draft) => withBytes(draft, Buffer.alloc(size)) },
    {
      name: `${size} bytes of JSON in chunks`,
      apply: (draft) => ({ ...withBytes(draft, jsonOf(size), JSON_TYPE), chunk: 16 * KIBIBYTE }),
    },
  ]),
  {
    name: 'a form',
    apply: (draft) =>
      withBytes(
        draft,
        Buffer.from('fileName=a.jpg&fileSize=1&a[b]=c&=%zz'),
        'application/x-www-form-urlencoded',
      ),
  },
  {
    name: 'XML',
    apply: (draft) =>
      withBytes(
        draft,
        Buffer.from('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        'application/xml',
      ),
  },
  { name: 'random bytes', apply: (draft, dice) => withBytes(draft, dice.bytes(dice.below(2000))) },
  {
    name: 'random bytes for JSON',
    apply: (draft, dice) => withBytes(draft, dice.bytes(dice.below(2000)), JSON_TYPE),
  },
  {
    name: 'a few bytes changed',
    apply: (draft, dice) => {
      const bytes = Buffer.from(bodyBytes(withSomeBody(draft)));
      for (let flips = dice.between(1, 8); flips > 0; flips -= 1) {
        bytes[dice.below(bytes.length)] = dice.below(256);
      }
      return withBytes(withSomeBody(draft), bytes);
    },
  },
];

function jsonOf(size: number): Buffer {
  const frame = '{"fileName":""}';
  return Buffer.from(frame.replace('""', `"${'n'.repeat(size - frame.length)}"`));
}

/** A body where there should be none is a mistake of its own. */
function withSomeBody(draft: Draft): Draft {
  return draft.body.kind === 'none' ? withBytes(draft, Buffer.from('{"a":"b"}'), JSON_TYPE) : draft;
}
