import type { LocatedOperation, Parameter, Schema } from '../support/openapi-document.js';
import type { Dice } from './image-dice.js';
import type { Ending, Shot } from './api-wire.js';

export type Header = readonly [name: string, value: string];

export interface Part {
  /** The lines above the bytes, as they are. */
  readonly head: string;
  readonly bytes: Buffer;
}

export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** `raws` are texts that no value would be written as; `@raw0@` stands for the first of them. */
  | { readonly kind: 'json'; readonly value: unknown; readonly raws: readonly string[] }
  | { readonly kind: 'multipart'; readonly parts: readonly Part[] };

/** A request in its parts, as long as it is being made up. */
export interface Draft {
  /** Whose documented answers have to come; null as soon as what is sent need not be a request of any operation. */
  readonly operation: LocatedOperation | null;
  readonly method: string;
  /** As it goes over the wire, without the query. */
  readonly path: string;
  readonly query: string;
  readonly headers: readonly Header[];
  readonly body: Body;
  /** Bytes a chunk, when the length of the body is not to be told in advance; null: it is. */
  readonly chunk: number | null;
  /** What is done to the written bytes, one after the other. */
  readonly edits: readonly ((bytes: Buffer) => Buffer)[];
  readonly ending: Ending;
  /** Of the requests that follow on the same connection. */
  readonly following: readonly string[];
}

/** One thing that no honest client would do. */
export interface Variation {
  readonly name: string;
  apply(draft: Draft, dice: Dice): Draft;
}

/** What the document says about a parameter, as far as the fuzzer wants to know. */
interface DescribedParameter extends Parameter {
  readonly required?: boolean;
  readonly schema?: Schema;
}

export function parametersOf(
  { parameters = [] }: LocatedOperation,
  place: 'path' | 'query' | 'header',
): readonly DescribedParameter[] {
  return parameters.filter((parameter) => parameter.in === place);
}

export const BOUNDARY = 'mediadock-boundary';
const MOST_CHUNKS = 5000;

export function headerOf({ headers }: Draft, name: string): string | undefined {
  return headers.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1];
}

/** Sets a header, once; null removes it. */
export function withHeader(draft: Draft, name: string, value: string | null): Draft {
  const others = draft.headers.filter(([other]) => other.toLowerCase() !== name.toLowerCase());
  return { ...draft, headers: value === null ? others : [...others, [name, value]] };
}

export function withBytes(draft: Draft, bytes: Buffer, contentType?: string): Draft {
  const changed: Draft = { ...draft, body: { kind: 'bytes', bytes } };
  return contentType === undefined ? changed : withHeader(changed, 'Content-Type', contentType);
}

/** What is sent may be anybody's request, or none. */
export function anybodys(draft: Draft): Draft {
  return { ...draft, operation: null };
}

const LOOSENESS: readonly Ending[] = ['server', 'either', 'client'];

/** The conversation may end in this way, and with answers to further requests; what was allowed before stays so. */
export function loosened(draft: Draft, ending: Ending, following: readonly string[] = []): Draft {
  return {
    ...draft,
    operation: null,
    ending: LOOSENESS.indexOf(ending) > LOOSENESS.indexOf(draft.ending) ? ending : draft.ending,
    following: following.length > draft.following.length ? following : draft.following,
  };
}

export function bodyBytes({ body }: Draft): Buffer {
  switch (body.kind) {
    case 'none':
      return Buffer.alloc(0);
    case 'bytes':
      return body.bytes;
    case 'json':
      return Buffer.from(jsonText(body.value, body.raws));
    case 'multipart':
      return multipartBytes(body.parts);
  }
}

function jsonText(value: unknown, raws: readonly string[]): string {
  const text = JSON.stringify(value) ?? '';
  return raws.reduce(
    (written, raw, index) =>
      written.replaceAll(`"@raw${index}@":0`, () => raw).replaceAll(`"@raw${index}@"`, () => raw),
    text,
  );
}

export function multipartBytes(parts: readonly Part[], boundary = BOUNDARY): Buffer {
  return Buffer.concat([
    ...parts.flatMap(({ head, bytes }) => [
      Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
}

/** Whoever is not answered soon when an answer may be long in coming goes away, as clients do. */
export function impatient(draft: Draft): Draft {
  return draft.ending === 'server' && /waitFor/i.test(draft.query) ? { ...draft, ending: 'either' } : draft;
}

/** Writes the request down. */
export function shotOf(draft: Draft): Shot {
  const body = bodyBytes(draft);
  const chunked = draft.chunk !== null && draft.body.kind !== 'none';
  const framing: Header = chunked
    ? ['Transfer-Encoding', 'chunked']
    : ['Content-Length', String(body.length)];
  const target = draft.query === '' ? draft.path : `${draft.path}?${draft.query}`;
  const lines = [...draft.headers, ...(draft.body.kind === 'none' ? [] : [framing])]
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const head = Buffer.from(`${draft.method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  const whole = Buffer.concat([head, chunked ? inChunks(body, draft.chunk) : body]);
  const bytes = draft.edits.reduce<Buffer>((written, edit) => edit(written), whole);
  return { bytes, methods: [draft.method, ...draft.following], ending: draft.ending };
}

function inChunks(bytes: Buffer, size: number): Buffer {
  const step = Math.max(size, Math.ceil(bytes.length / MOST_CHUNKS));
  const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) => {
    const chunk = bytes.subarray(index * step, (index + 1) * step);
    return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
  });
  return Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]);
}
