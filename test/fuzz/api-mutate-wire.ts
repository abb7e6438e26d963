import { bodyBytes, type Draft, loosened, type Variation, withHeader } from './api-draft.js';
import { edited, HEADS, REQUEST_LINES, written } from './api-mutate-head.js';
import { INJECTED_HEADER } from './api-values.js';
import type { Ending } from './api-wire.js';

const GET_LIVE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** How long a body is, said in ways that two readers could understand differently (RFC 9112, section 6.3). */
const LENGTHS: readonly Variation[] = [
  ...[
    '-1',
    '+5',
    '5, 5',
    '5,6',
    '0x5',
    '',
    ' ',
    '1e1',
    '5 5',
    '05',
    '5.0',
    'a',
    '\xb2',
    '18446744073709551616',
    '9'.repeat(100),
  ].map((value) => framed(`a length of ${value.slice(0, 30)}`, [`Content-Length: ${value}`])),
  framed('two equal lengths', ['Content-Length: 5', 'Content-Length: 5']),
  framed('two lengths', ['Content-Length: 5', 'Content-Length: 6']),
  framed('a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  framed('chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n'),
  ...[
    'identity',
    'gzip',
    'gzip, chunked',
    'chunked, chunked',
    'chunked, identity',
    'xchunked',
    'chunked;a=b',
    '\tchunked',
    'CHUNKED',
    '"chunked"',
    '',
    ' ',
    'chunked\x0b',
  ].map((value) => framed(`the transfer encoding ${value}`, [`Transfer-Encoding: ${value}`], '0\r\n\r\n')),
  framed(
    'two transfer encodings',
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    '0\r\n\r\n',
  ),
  framed('a blank before the colon of the encoding', ['Transfer-Encoding : chunked'], '0\r\n\r\n'),
  framed('a length of one more', ['Content-Length: 6'], 'abcde'),
  framed('a length of one less', ['Content-Length: 4'], 'abcde'),
  framed('a hidden request behind no length', ['Content-Length: 0'], GET_LIVE),
  framed('a hidden request behind the last chunk', ['Transfer-Encoding: chunked'], `0\r\n\r\n${GET_LIVE}`),
];

/** The body is not the honest one, but what comes after the head in `rest`. */
function framed(name: string, lines: readonly string[], rest = 'abcde'): Variation {
  const edit = (draft: Draft) =>
    edited(
      { ...draft, body: { kind: 'none' } },
      (first, others) => written(first, ...others, ...lines) + rest,
    );
  return { name, apply: (draft) => loosened(edit(draft), 'either', ['GET']) };
}

const CHUNKS: Readonly<Record<string, string>> = {
  'no length': '\r\n',
  'a length that is none': 'zz\r\nab\r\n0\r\n\r\n',
  'a length with a sign': '-1\r\na\r\n0\r\n\r\n',
  'a length of 2^64': '10000000000000000\r\na\r\n0\r\n\r\n',
  'a length of 2^63': '7fffffffffffffff\r\na\r\n',
  'a length of 100 digits': `${'0'.repeat(99)}1\r\na\r\n0\r\n\r\n`,
  'a length in front of a blank': '1 \r\na\r\n0\r\n\r\n',
  'a length like in a program': '0x1\r\na\r\n0\r\n\r\n',
  'fewer bytes than said': '5\r\na\r\n0\r\n\r\n',
  'more bytes than said': '1\r\nabc\r\n0\r\n\r\n',
  'no line break behind it': '1\r\na0\r\n\r\n',
  'line feeds alone': '1\na\n0\n\n',
  'an extension': '1;a=b;c="d"\r\na\r\n0\r\n\r\n',
  'an extension of 20 KB': `1;${'a'.repeat(20_000)}\r\na\r\n0\r\n\r\n`,
  'an extension with a line feed': '1;a\nb\r\na\r\n0\r\n\r\n',
  'no last one': '1\r\na\r\n',
  trailers: `1\r\na\r\n0\r\n${INJECTED_HEADER}: 1\r\nContent-Length: 5\r\nAuthorization: Bearer a\r\n\r\n`,
  'a trailer that is none': '0\r\nno trailer\r\n\r\n',
  '20 KB of trailers': `0\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`,
  '3,000 trailers': `0\r\n${'X-A: a\r\n'.repeat(3000)}\r\n`,
  '5,000 of one byte': `${'1\r\n \r\n'.repeat(5000)}0\r\n\r\n`,
};

const PIPELINES: readonly Variation[] = [
  following(
    'itself again',
    (bytes) => Buffer.concat([bytes, bytes]),
    (draft) => [draft.method],
  ),
  following('itself 15 times', repeated(16), (draft) => Array.from({ length: 15 }, () => draft.method)),
  // More than is taken at once: the connection may be cut.
  {
    name: 'behind it itself 40 times',
    apply: (draft) =>
      inAdvance(
        draft,
        repeated(41),
        'client',
        Array.from({ length: 40 }, () => draft.method),
      ),
  },
  following(
    'another request',
    (bytes) => Buffer.concat([bytes, Buffer.from(GET_LIVE)]),
    () => ['GET'],
  ),
  following(
    'another request without a host',
    (bytes) => Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n\r\n')]),
    () => ['GET'],
  ),
  following(
    'words',
    (bytes) => Buffer.concat([bytes, Buffer.from('and more\r\n\r\n')]),
    () => ['GET'],
  ),
  following(
    'raw bytes',
    (bytes) => Buffer.concat([bytes, Buffer.alloc(100, 0xff)]),
    () => ['GET'],
  ),
  following(
    'half a request',
    (bytes) => Buffer.concat([bytes, Buffer.from(GET_LIVE.slice(0, 30))]),
    () => ['GET'],
  ),
  following(
    'a greeting of HTTP/2',
    (bytes) => Buffer.concat([bytes, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')]),
    () => ['GET'],
  ),
];

function repeated(times: number): (bytes: Buffer) => Buffer {
  return (bytes) => Buffer.concat(Array.from({ length: times }, () => bytes));
}

/** More on the same connection, which we would like to keep. */
function following(
  name: string,
  extend: (bytes: Buffer) => Buffer,
  methods: (draft: Draft) => string[],
): Variation {
  return {
    name: `behind it ${name}`,
    apply: (draft) => inAdvance(draft, extend, 'either', methods(draft)),
  };
}

/** Only once: more of more would be more than is taken at once. */
function inAdvance(
  draft: Draft,
  extend: (bytes: Buffer) => Buffer,
  ending: Ending,
  methods: readonly string[],
): Draft {
  if (draft.following.length > 0) {
    return draft;
  }
  const kept = withHeader(draft, 'Connection', 'keep-alive');
  return loosened({ ...kept, edits: [...kept.edits, extend] }, ending, methods);
}

/** What no HTTP client would write. Who answers is often the parser, before there is a request at all. */
export const WIRE_VARIATIONS: readonly Variation[] = [
  ...REQUEST_LINES,
  ...HEADS,
  ...LENGTHS,
  ...Object.entries(CHUNKS).map(([name, text]) =>
    framed(`a chunk with ${name}`, ['Transfer-Encoding: chunked'], text),
  ),
  ...PIPELINES,
  ...[1, 7, 1000].map((size): Variation => ({
    name: `chunks of ${size} bytes`,
    apply: (draft) => ({ ...draft, chunk: size }),
  })),
  { name: 'cut off anywhere', apply: (draft, dice) => cutOff(draft, dice.below(shareOf(draft))) },
  { name: 'cut off in its body', apply: (draft) => cutOff(draft, -1) },
  {
    name: 'a few bytes changed anywhere',
    apply: (draft, dice) => {
      const flips = Array.from(
        { length: dice.between(1, 6) },
        () => [dice.below(600), dice.below(256)] as const,
      );
      const edits = [...draft.edits, (bytes: Buffer) => flipped(bytes, flips)];
      return loosened({ ...draft, edits }, 'either', ['GET', 'GET']);
    },
  },
];

function shareOf(draft: Draft): number {
  return 300 + bodyBytes(draft).length;
}

function cutOff(draft: Draft, at: number): Draft {
  return loosened({ ...draft, edits: [...draft.edits, (bytes) => bytes.subarray(0, at)] }, 'client');
}

function flipped(bytes: Buffer, flips: readonly (readonly [at: number, byte: number])[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const [at, byte] of flips) {
    copy[at % copy.length] = byte;
  }
  return copy;
}
