import type { Ending } from './api-wire.js';
import { type Draft, loosened, type Variation, withHeader } from './api-draft.js';
import { INJECTED_HEADER } from './api-values.js';

/** Changes the written head, its first line and all others, and leaves the body as it is. */
type HeadEdit = (firstLine: string, lines: readonly string[]) => string;

export function edited(draft: Draft, edit: HeadEdit): Draft {
  const inBytes = (bytes: Buffer) => {
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
    const [firstLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
    return Buffer.concat([Buffer.from(edit(firstLine, lines), 'latin1'), bytes.subarray(end + 4)]);
  };
  return { ...draft, edits: [...draft.edits, inBytes] };
}

export const written = (...lines: readonly string[]) => `${lines.join('\r\n')}\r\n\r\n`;

/** A head that may be answered by whoever reads it first, the parser or the route; and may leave it waiting for more. */
function odd(name: string, edit: HeadEdit, ending: Ending = 'either'): Variation {
  return { name, apply: (draft) => loosened(edited(draft, edit), ending) };
}

function withLines(name: string, ...more: string[]): Variation {
  return odd(name, (first, lines) => written(first, ...lines, ...more));
}

/** A request line, with the three parts of the honest one to make it of. */
function line(name: string, make: (method: string, target: string) => string): Variation {
  return odd(`the line ${name}`, (first, lines) => {
    const [method = '', target = ''] = first.split(' ');
    return written(make(method, target), ...lines);
  });
}

export const REQUEST_LINES: readonly Variation[] = [
  line('of HTTP/1.0', (method, target) => `${method} ${target} HTTP/1.0`),
  line('of HTTP/0.9', (method, target) => `${method} ${target}`),
  ...[
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/9.9',
    'http/1.1',
    'HTTP/1',
    'HTTP/1.1.1',
    'HTTP/11',
    'ICE/1.0',
    'RTSP/1.0',
    '',
  ].map((version) =>
    line(`with the version ${version}`, (method, target) => `${method} ${target} ${version}`),
  ),
  line('with two blanks', (method, target) => `${method}  ${target}  HTTP/1.1`),
  line('with tabs', (method, target) => `${method}\t${target}\tHTTP/1.1`),
  line('with something behind it', (method, target) => `${method} ${target} HTTP/1.1 and more`),
  line('with a blank before it', (method, target) => ` ${method} ${target} HTTP/1.1`),
  line('behind empty lines', (method, target) => `\r\n\r\n${method} ${target} HTTP/1.1`),
  line('behind NUL', (method, target) => `\0${method} ${target} HTTP/1.1`),
  line('without a target', (method) => `${method} HTTP/1.1`),
  line('with an empty target', (method) => `${method}  HTTP/1.1`),
  line('with a method in lower case', (method, target) => `${method.toLowerCase()} ${target} HTTP/1.1`),
  line('with a method that nobody knows', (_method, target) => `BREW ${target} HTTP/1.1`),
  line('with a method of 5,000 letters', (_method, target) => `${'A'.repeat(5000)} ${target} HTTP/1.1`),
  line('with a method that is no word', (_method, target) => `G@T ${target} HTTP/1.1`),
  line('for a proxy', (method, target) => `${method} http://localhost${target} HTTP/1.1`),
  line('for a proxy, elsewhere', (method, target) => `${method} http://evil.example:81${target} HTTP/1.1`),
  line('for a proxy, with a user', (method, target) => `${method} http://a:b@evil.example${target} HTTP/1.1`),
  line('for a proxy, without a path', (method) => `${method} http://evil.example HTTP/1.1`),
  line('for a proxy, of TLS', (method, target) => `${method} https://evil.example${target} HTTP/1.1`),
  line('of another scheme', (method) => `${method} file:///etc/passwd HTTP/1.1`),
  line('with an authority', (method) => `${method} evil.example:443 HTTP/1.1`),
  line('to connect', () => 'CONNECT evil.example:443 HTTP/1.1'),
  line('to connect without a port', () => 'CONNECT evil.example HTTP/1.1'),
  line('with an asterisk', (method) => `${method} * HTTP/1.1`),
  line('for all options', () => 'OPTIONS * HTTP/1.1'),
  line('with a path that begins nowhere', (method, target) => `${method} ${target.slice(1)} HTTP/1.1`),
  line('with two slashes', (method, target) => `${method} //evil.example${target} HTTP/1.1`),
  line('with a backslash', (method, target) => `${method} /\\evil.example${target} HTTP/1.1`),
  line('with only a query', (method) => `${method} ?a=b HTTP/1.1`),
  line('with only a fragment', (method) => `${method} #a HTTP/1.1`),
  line('with a raw byte', (method, target) => `${method} ${target}\xff HTTP/1.1`),
  line('with raw UTF-8', (method, target) => `${method} ${target}/\xc3\xa9 HTTP/1.1`),
  line('with NUL', (method, target) => `${method} ${target}\0 HTTP/1.1`),
  line('with DEL', (method, target) => `${method} ${target}\x7f HTTP/1.1`),
  line('with a line feed', (method, target) => `${method} ${target}\n HTTP/1.1`),
  line('with a carriage return', (method, target) => `${method} ${target}\r HTTP/1.1`),
  line('with 15 KB', (method, target) => `${method} ${target}?${'a'.repeat(15_000)} HTTP/1.1`),
  line('with 100 KB', (method, target) => `${method} ${target}?${'a'.repeat(100_000)} HTTP/1.1`),
  line('with a header in it', (method, target) => `${method} ${target} HTTP/1.1\r\n${INJECTED_HEADER}: 1`),
];

export const HEADS: readonly Variation[] = [
  {
    name: 'no headers',
    apply: (draft) =>
      loosened(
        edited({ ...draft, body: { kind: 'none' } }, (first) => written(first)),
        'either',
      ),
  },
  odd('no Host', (first, lines) => written(first, ...lines.filter((one) => !/^host:/i.test(one)))),
  withLines('two hosts', 'Host: evil.example'),
  withLines('a header without a colon', 'X-A'),
  withLines('a header without a name', ': a'),
  withLines('a blank before the colon', 'X-A : a'),
  withLines('a blank before the name', ' X-A: a'),
  withLines('a folded header', 'X-A: a', ' b', '\tc'),
  withLines('a folded Content-Length', 'Content-Length:', ' 5'),
  withLines('a header with NUL', 'X-A: a\0b'),
  withLines('a header with a carriage return', 'X-A: a\rb'),
  withLines('a header with a line feed', `X-A: a\n${INJECTED_HEADER}: 1`),
  withLines('a header with DEL', 'X-A: a\x7fb'),
  withLines('a name that is no token', 'X A: a', 'X(A): a'),
  withLines('a name of bytes', '\xc3\xa9: a'),
  withLines('a name of 10 KB', `${'a'.repeat(10_000)}: a`),
  withLines('names of objects', '__proto__: 1', 'constructor: 1', 'toString: 1', 'hasOwnProperty: 1'),
  ...[60, 100, 1000, 5000].map((count) =>
    withLines(`${count} headers`, ...Array.from({ length: count }, (_, index) => `X-${index}: a`)),
  ),
  odd('100 headers before the others', (first, lines) =>
    written(first, ...Array.from({ length: 100 }, (_, index) => `X-${index}: a`), ...lines),
  ),
  withLines('the same header 100 times', ...Array.from({ length: 100 }, () => 'Cookie: a=b')),
  ...[10, 15, 17, 100, 1000].map((size) =>
    withLines(`a header of ${size} KB`, `X-A: ${'a'.repeat(size * 1000)}`),
  ),
  odd('line feeds alone', (first, lines) => written(first, ...lines).replaceAll('\r\n', '\n')),
  odd('carriage returns alone', (first, lines) => written(first, ...lines).replaceAll('\r\n', '\r')),
  odd('an end that is a line feed', (first, lines) => `${[first, ...lines].join('\r\n')}\n\n`),
  odd('no end', (first, lines) => `${[first, ...lines].join('\r\n')}\r\n`, 'client'),
  withLines(
    'an upgrade',
    'Connection: upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: AAAA',
    'Sec-WebSocket-Version: 13',
  ),
  withLines(
    'an upgrade to HTTP/2',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
  ),
  ...['keep-alive', 'close, keep-alive', 'content-length', 'host', '', ','].map((value) =>
    odd(`Connection: ${value}`, (first, lines) =>
      written(first, ...lines.filter((one) => !/^connection:/i.test(one)), `Connection: ${value}`),
    ),
  ),
  {
    name: 'an expectation of 100-continue in HTTP/1.0',
    apply: (draft) =>
      loosened(
        edited(withHeader(draft, 'Expect', '100-continue'), (first, lines) =>
          written(first.replace('1.1', '1.0'), ...lines),
        ),
        'either',
      ),
  },
];
