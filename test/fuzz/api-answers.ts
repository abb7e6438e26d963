/** One answer, exactly as it came over the wire. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** All that came over a connection. */
export interface Reading {
  /** The final answers, in their order; interim ones (1xx) are left out. */
  readonly answers: readonly WireAnswer[];
  /** What is not HTTP/1.1 as RFC 9112 has it. */
  readonly flaws: readonly string[];
  /** Whether the last answer is there to its end. */
  readonly whole: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]*$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\x80-\xff\t]*)$/;
/** What may come once only, for it would be read in two ways. */
const SINGLE = new Set([
  'content-length',
  'content-type',
  'content-encoding',
  'etag',
  'location',
  'transfer-encoding',
]);
const HEAD_END = '\r\n\r\n';

interface Head {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  readonly flaws: string[];
  readonly end: number;
}

interface Content {
  readonly body: Buffer;
  readonly end: number;
  readonly whole: boolean;
  readonly flaw?: string;
}

/**
 * Reads what a server sent, and forgives nothing.
 *
 * @param methods of the requests that were sent, in their order: an answer to HEAD has no body
 * @param closed whether the server has closed the connection: only then is a body of no stated length at its end
 */
export function readAnswers(bytes: Buffer, methods: readonly string[], closed: boolean): Reading {
  const answers: WireAnswer[] = [];
  const flaws: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (answers.some(({ headers }) => valueOf(headers, 'connection') === 'close')) {
      return {
        answers,
        flaws: [...flaws, 'More comes after the answer that was to be the last'],
        whole: true,
      };
    }
    const head = readHead(bytes, at);
    if (head === null) {
      return { answers, flaws, whole: false };
    }
    flaws.push(...head.flaws);
    if (head.status === 0) {
      return { answers, flaws, whole: true };
    }
    const content = readContent(bytes, head, methods[answers.length] ?? 'GET', closed);
    if (content.flaw !== undefined) {
      flaws.push(content.flaw);
    }
    if (!content.whole) {
      return { answers, flaws, whole: false };
    }
    at = content.end;
    if (head.status >= 200) {
      answers.push({ status: head.status, headers: head.headers, body: content.body });
    }
  }
  return { answers, flaws, whole: true };
}

/** Null while there is no end of it; the status 0 when it is none. */
function readHead(bytes: Buffer, start: number): Head | null {
  const end = bytes.indexOf(HEAD_END, start, 'latin1');
  if (end < 0) {
    return null;
  }
  const [statusLine = '', ...lines] = bytes.toString('latin1', start, end).split('\r\n');
  const status = STATUS_LINE.exec(statusLine)?.[1];
  if (status === undefined) {
    return { status: 0, headers: [], flaws: [`No status line: ${JSON.stringify(statusLine)}`], end };
  }
  const flaws: string[] = [];
  const headers: [string, string][] = [];
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      flaws.push(`No header: ${JSON.stringify(line)}`);
      continue;
    }
    if (SINGLE.has(name.toLowerCase()) && valueOf(headers, name) !== undefined) {
      flaws.push(`The header ${name} comes twice`);
    }
    headers.push([name.toLowerCase(), value]);
  }
  if (
    valueOf(headers, 'content-length') !== undefined &&
    valueOf(headers, 'transfer-encoding') !== undefined
  ) {
    flaws.push('Content-Length and Transfer-Encoding come together');
  }
  return { status: Number(status), headers, flaws, end: end + HEAD_END.length };
}

function readContent(
  bytes: Buffer,
  { status, headers, end }: Head,
  method: string,
  closed: boolean,
): Content {
  // The parser, who gives requests no id, cannot know what it was asked.
  const byParser = valueOf(headers, 'x-request-id') === undefined;
  if ((method === 'HEAD' && !byParser) || status < 200 || status === 204 || status === 304) {
    return { body: Buffer.alloc(0), end, whole: true };
  }
  const length = valueOf(headers, 'content-length');
  if (length !== undefined) {
    const size = Number(length);
    const flaw = /^\d+$/.test(length) ? {} : { flaw: `The length is ${length}` };
    const body = bytes.subarray(end, end + size);
    return { body, end: end + size, whole: body.length === size, ...flaw };
  }
  if (valueOf(headers, 'transfer-encoding') !== undefined) {
    return readChunks(bytes, end);
  }
  return { body: bytes.subarray(end), end: bytes.length, whole: closed };
}

function readChunks(bytes: Buffer, start: number): Content {
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1');
    if (lineEnd < 0) {
      return { body: Buffer.alloc(0), end: at, whole: false };
    }
    const line = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]{1,8}$/i.test(line)) {
      return { body: Buffer.alloc(0), end: at, whole: false, flaw: `No chunk: ${JSON.stringify(line)}` };
    }
    const size = Number.parseInt(line, 16);
    const chunk = bytes.subarray(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
    if (at > bytes.length) {
      return { body: Buffer.alloc(0), end: at, whole: false };
    }
    if (bytes.toString('latin1', at - 2, at) !== '\r\n') {
      return { body: Buffer.alloc(0), end: at, whole: false, flaw: 'A chunk does not end where it says' };
    }
    if (size === 0) {
      return { body: Buffer.concat(chunks), end: at, whole: true };
    }
    chunks.push(chunk);
  }
}

export function valueOf(headers: WireAnswer['headers'], name: string): string | undefined {
  return headers.find(([other]) => other === name.toLowerCase())?.[1];
}
