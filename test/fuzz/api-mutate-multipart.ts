import {
  BOUNDARY,
  type Draft,
  multipartBytes,
  type Part,
  type Variation,
  withBytes,
  withHeader,
} from './api-draft.js';
import { INJECTED_HEADER } from './api-values.js';
import { TEXTS } from './api-mutate-json.js';

const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const MEBIBYTE = 1024 * 1024;

/** The line that names a part, as `disposition` has it. */
const DISPOSITIONS: readonly string[] = [
  'form-data; name="file"',
  'form-data; filename="a.jpg"',
  'form-data',
  'attachment; name="file"; filename="a.jpg"',
  '; name="file"; filename="a.jpg"',
  '',
  'form-data; name=file; filename=a.jpg',
  'form-data; name="file"; filename=""',
  'form-data; name="file"; filename="a.jpg"; filename="b.jpg"',
  'form-data; name="file"; name="other"; filename="a.jpg"',
  'form-data; name="file"; filename="a.jpg',
  'form-data; name="file"; filename="a\\"b.jpg"',
  'form-data; name="file"; filename="\\\\\\"',
  'form-data; name="file"; filename*=utf-8\'\'%e2%82%ac.jpg',
  'form-data; name="file"; filename*=utf-8\'\'%zz%',
  'form-data; name="file"; filename*=utf-8\'\'%00%0d%0a.jpg',
  'form-data; name="file"; filename*=klingon\'x\'a.jpg',
  'form-data; name="file"; filename*=a.jpg',
  'form-data; name="file"; filename*=\'\'',
  'form-data; name="file"; filename*=utf-16\'\'%d8%00.jpg',
  'form-data; name="file"; filename*0="a"; filename*1=".jpg"',
  'form-data; name*=utf-8\'\'file; filename="a.jpg"',
  `form-data; name="file"; filename="${'a'.repeat(5000)}.jpg"`,
  `form-data; name="file"; filename="a.${'b'.repeat(5000)}"`,
  `form-data; name="${'a'.repeat(5000)}"; filename="a.jpg"`,
  `form-data; name="file"; filename="a.jpg"${'; a=b'.repeat(1000)}`,
  ...['__proto__', 'constructor', 'toString', 'file[0]', 'file[a][b]', 'file.a', 'FILE', 'file ', ''].map(
    (name) => `form-data; name="${name}"; filename="a.jpg"`,
  ),
];

const TYPES: readonly string[] = [
  '',
  'image',
  'image/',
  '/jpeg',
  'image/jpeg; a=b',
  'IMAGE/JPEG',
  ' image/jpeg ',
  'image/png',
  'image/*',
  '*/*',

  'image/svg+xml',
  'text/html',
  'application/json',
  'multipart/mixed; boundary=x',
  'text/plain; charset=klingon',
  'image/jpeg\0',
  'image/jpeg,image/png',
  '__proto__',
  'constructor',
  `image/${'j'.repeat(5000)}`,
];

/** Headers besides the one that names the part. */
const PART_HEADERS: readonly (readonly [name: string, lines: string])[] = [
  ['a transfer encoding', 'Content-Transfer-Encoding: base64'],
  ['another transfer encoding', 'Content-Transfer-Encoding: quoted-printable'],
  ['a content encoding', 'Content-Encoding: gzip'],
  ['a length of its own', 'Content-Length: 1'],
  ['two types', 'Content-Type: text/html'],
  ['a line that is no header', 'no header'],
  ['a folded header', 'X-A: a\r\n b'],
  ['a header with NUL', 'X-A: a\0b'],
  ['a header of 20 KB', `X-A: ${'a'.repeat(20_000)}`],
  ['a header of 200 KB', `X-A: ${'a'.repeat(200_000)}`],
  ['3,000 headers', Array.from({ length: 3000 }, (_, index) => `X-${index}: a`).join('\r\n')],
];

/** What can be wrong with a multipart body: in its frame, in the heads of its parts, and in their number. */
export const MULTIPART_VARIATIONS: readonly Variation[] = [
  ...DISPOSITIONS.map((line) => disposed(`the disposition ${JSON.stringify(line).slice(0, 70)}`, line)),
  ...TEXTS.flatMap(([name, given]) => [
    disposed(`a file name of ${name}`, `form-data; name="file"; filename="${given}"`),
    disposed(
      `an escaped file name of ${name}`,
      `form-data; name="file"; filename*=utf-8''${encodeURIComponent(given.toWellFormed())}`,
    ),
    disposed(`a part name of ${name}`, `form-data; name="${given}"; filename="a.jpg"`),
  ]),
  ...TYPES.map((type) =>
    heading(`a part of the type ${JSON.stringify(type).slice(0, 40)}`, (head) =>
      head.replace(/Content-Type: .*/i, `Content-Type: ${type}`),
    ),
  ),
  heading('a part of no type', (head) => head.replace(/\r\nContent-Type: .*/i, '')),
  heading('a part without a head', () => ''),
  heading('a part that injects a header', (head) => `${head}\r\n${INJECTED_HEADER}: 1`),
  ...PART_HEADERS.map(([name, lines]) => heading(`a part with ${name}`, (head) => `${head}\r\n${lines}`)),
  ...counts(),
  ...frames(),
];

function counts(): Variation[] {
  const field: Part = { head: 'Content-Disposition: form-data; name="note"', bytes: Buffer.from('text') };
  return [
    parting('no part', () => []),
    parting('two files', (parts) => [...parts, ...parts]),
    parting('1,000 files', (parts) => times(1000, parts)),
    parting('a field before the file', (parts) => [field, ...parts]),
    parting('a field after the file', (parts) => [...parts, field]),
    parting('1,000 fields', (parts) => [...times(1000, [field]), ...parts]),
    parting('20,000 empty fields', () => times(20_000, [{ ...field, bytes: Buffer.alloc(0) }])),
    parting('a field of 3 MiB', (parts) => [{ ...field, bytes: Buffer.alloc(3 * MEBIBYTE, 'a') }, ...parts]),
    ...[0, 1, 3, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE].map((size) =>
      filled(`a file of ${size} zeros`, () => Buffer.alloc(size)),
    ),
    filled('a file that is cut off', (bytes) => bytes.subarray(0, bytes.length / 2)),
    filled('a file with something after it', (bytes) => Buffer.concat([bytes, Buffer.from('<script>')])),
    filled('a file with only its first bytes', (bytes) => bytes.subarray(0, 4)),
    filled('a file that is a multipart body', (bytes) => multipartBytes([{ head: '', bytes }], 'inner')),
    filled('a file that has the boundary in it', (bytes) =>
      Buffer.concat([bytes, Buffer.from(`\r\n--${BOUNDARY}`), bytes]),
    ),
    parting('a multipart body in a part', ([part, ...rest]) => [
      {
        head: 'Content-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=inner',
        bytes: multipartBytes(part === undefined ? [] : [part], 'inner'),
      },
      ...rest,
    ]),
  ];
}

function frames(): Variation[] {
  return [
    framed('no boundary', (bytes) => bytes, 'multipart/form-data'),
    framed('another boundary', (bytes) => bytes, 'multipart/form-data; boundary=other'),
    framed('a boundary in quotes', (bytes) => bytes, `multipart/form-data; boundary="${BOUNDARY}"`),
    framed(
      'no end',
      text((body) => body.replace(`--${BOUNDARY}--\r\n`, '')),
    ),
    framed(
      'half an end',
      text((body) => body.slice(0, -4)),
    ),
    framed(
      'line feeds alone',
      text((body) => body.replaceAll('\r\n', '\n')),
    ),
    framed(
      'text before the first part',
      text((body) => `preamble\r\n${body}`),
    ),
    framed('3 MiB before the first part', (bytes) =>
      Buffer.concat([Buffer.alloc(3 * MEBIBYTE, 'a'), Buffer.from('\r\n'), bytes]),
    ),
    framed(
      'text after the last part',
      text((body) => `${body}epilogue`),
    ),
    framed('3 MiB after the last part', (bytes) => Buffer.concat([bytes, Buffer.alloc(3 * MEBIBYTE, 'a')])),
    framed('only a boundary', () => Buffer.from(`--${BOUNDARY}`)),
    framed('10,000 boundaries', () => Buffer.from(`--${BOUNDARY}\r\n`.repeat(10_000))),
    framed('a head that never ends', () =>
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"`),
    ),
    framed(
      'blanks behind the boundary',
      text((body) => body.replaceAll(`--${BOUNDARY}\r\n`, `--${BOUNDARY}  \t\r\n`)),
    ),
    framed('nothing', () => Buffer.alloc(0)),
    { name: 'a cut anywhere', apply: (draft, dice) => cut(draft, dice.below(2000)) },
  ];
}

function framed(name: string, frame: (bytes: Buffer) => Buffer, type = TYPE): Variation {
  return {
    name: `multipart: ${name}`,
    apply: (draft) =>
      draft.body.kind === 'multipart'
        ? withBytes(draft, frame(multipartBytes(draft.body.parts)), type)
        : draft,
  };
}

function text(change: (body: string) => string): (bytes: Buffer) => Buffer {
  return (bytes) => Buffer.from(change(bytes.toString('latin1')), 'latin1');
}

function cut(draft: Draft, at: number): Draft {
  if (draft.body.kind !== 'multipart') {
    return draft;
  }
  return withHeader(withBytes(draft, multipartBytes(draft.body.parts).subarray(0, at)), 'Content-Type', TYPE);
}

function parting(name: string, change: (parts: readonly Part[]) => readonly Part[]): Variation {
  return {
    name: `multipart: ${name}`,
    apply: (draft) =>
      draft.body.kind === 'multipart'
        ? { ...draft, body: { kind: 'multipart', parts: change(draft.body.parts) } }
        : draft,
  };
}

function heading(name: string, change: (head: string) => string): Variation {
  return parting(name, (parts) => parts.map(({ head, bytes }) => ({ head: change(head), bytes })));
}

function disposed(name: string, line: string): Variation {
  return heading(name, (head) =>
    head.replace(/Content-Disposition: .*/i, () => `Content-Disposition: ${line}`),
  );
}

function filled(name: string, change: (bytes: Buffer) => Buffer): Variation {
  return parting(name, (parts) => parts.map(({ head, bytes }) => ({ head, bytes: change(bytes) })));
}

function times(count: number, parts: readonly Part[]): Part[] {
  return Array.from({ length: count }, () => parts).flat();
}
