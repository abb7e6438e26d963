import { request } from 'node:http';
import * as fc from 'fast-check';

/** A PUT as it goes over the wire: nothing in here is tidied up on the way, as a URL would be. */
export interface RawPut {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** One thing about a PUT that is no longer as it was signed. Numbers of places go round. */
export type Change =
  | { readonly what: 'method'; readonly method: string }
  | { readonly what: 'path' | 'query'; readonly at: number; readonly text: string; readonly kind: EditKind }
  | { readonly what: 'parameter'; readonly name: 'expires' | 'signature'; readonly kind: ParameterKind }
  | { readonly what: 'another parameter'; readonly name: string; readonly value: string }
  | { readonly what: 'header'; readonly at: number; readonly value: string | null }
  | { readonly what: 'signature'; readonly at: number; readonly text: string }
  | { readonly what: 'expires'; readonly by: number }
  | { readonly what: 'body'; readonly by: number };

type EditKind = 'replace' | 'insert' | 'cut' | 'case';
type ParameterKind = 'drop' | 'repeat' | 'empty' | 'rename';

// What may stand in a request target without ending it: RFC 3986, with some that are not in there.
const TEXT = fc.constantFrom(
  ..."a Z 0 9 - _ . ~ / // /../ /./ %2F %2e %00 % + * ; : @ ! $ ' ( ) , = %ff %C3%A9 \\ | ^".split(' '),
);
const HEADER_VALUES = [
  'image/png',
  'image/jpeg; charset=utf-8',
  'IMAGE/JPEG',
  '',
  ...'0 1 0,0 1,100000 0,415 415 415,416 0415,0415 4.15e2,415 +415,415 -1 00 0x0'.split(' '),
];
const edit = fc.constantFrom<EditKind[]>('replace', 'insert', 'cut', 'case');

export const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    what: fc.constant('method'),
    method: fc.constantFrom('POST', 'PATCH', 'DELETE', 'GET', 'PROPFIND', 'MKCOL', 'COPY', 'MOVE', 'LOCK'),
  }),
  { weight: 3, arbitrary: fc.record({ what: fc.constant('path'), at: fc.nat(), text: TEXT, kind: edit }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('query'), at: fc.nat(), text: TEXT, kind: edit }) },
  fc.record({
    what: fc.constant('parameter'),
    name: fc.constantFrom('expires', 'signature'),
    kind: fc.constantFrom<ParameterKind[]>('drop', 'repeat', 'empty', 'rename'),
  }),
  fc.record({
    what: fc.constant('another parameter'),
    name: fc.constantFrom(
      'x',
      'generation',
      'uploadType',
      'EXPIRES',
      'constructor',
      '__proto__',
      'expires[]',
    ),
    value: fc.constantFrom('', '1', 'a'),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('header'),
      at: fc.nat(),
      value: fc.option(fc.constantFrom(...HEADER_VALUES)),
    }),
  },
  fc.record({
    what: fc.constant('signature'),
    at: fc.nat(),
    text: fc.constantFrom('A', 'b', '0', '-', '_', '=', '%41', '+', '/'),
  }),
  fc.record({
    what: fc.constant('expires'),
    by: fc.oneof(fc.integer({ min: -100_000, max: -1 }), fc.integer({ min: 1, max: 100_000 })),
  }),
  fc.record({
    what: fc.constant('body'),
    by: fc.oneof(fc.integer({ min: -415, max: -1 }), fc.integer({ min: 1, max: 5000 })),
  }),
);

/**
 * Null where the change would leave everything as it was, or as another spelling of it: an escape that need not be one
 * (RFC 3986, section 6.2.2.2), or capitals in the names of the route, about which the router does not care.
 */
export function changed(put: RawPut, to: Change): RawPut | null {
  const after = apply(put, to);
  return spellingOf(after) === spellingOf(put) ? null : after;
}

function spellingOf({ method, path, query, headers, body }: RawPut): string {
  const target = `${path}?${query}`.replaceAll(/%([0-9a-f]{2})/gi, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[\w.~-]/.test(character) ? character : escaped;
  });
  const routed = target.replace(/^\/v1\/storage\/uploads\//i, (route) => route.toLowerCase());
  return JSON.stringify([method, routed, headers, body.length]);
}

function apply(put: RawPut, to: Change): RawPut {
  switch (to.what) {
    case 'method':
      return { ...put, method: to.method };
    case 'path':
      // The first slash is what makes it a path.
      return { ...put, path: `/${edited(put.path.slice(1), to)}` };
    case 'query':
      return { ...put, query: edited(put.query, to) };
    case 'parameter':
      return { ...put, query: withParameter(put.query, to.name, to.kind) };
    case 'another parameter':
      return { ...put, query: `${put.query}&${to.name}=${to.value}` };
    case 'header': {
      const names = Object.keys(put.headers).filter((name) => name !== 'content-length');
      const name = names[to.at % names.length] ?? '';
      const { [name]: _, ...others } = put.headers;
      return { ...put, headers: to.value === null ? others : { ...put.headers, [name]: to.value } };
    }
    case 'signature': {
      const start = put.query.indexOf('signature=') + 'signature='.length;
      const at = start + (to.at % (put.query.length - start));
      return { ...put, query: edited(put.query, { at, text: to.text, kind: 'replace' }) };
    }
    case 'expires':
      return {
        ...put,
        query: put.query.replace(/expires=(\d+)/, (_, expires) => `expires=${Number(expires) + to.by}`),
      };
    case 'body': {
      const length = Math.max(0, put.body.length + to.by);
      const body = Buffer.concat([put.body, Buffer.alloc(5000)]).subarray(0, length);
      return { ...put, body, headers: { ...put.headers, 'content-length': String(length) } };
    }
  }
}

function edited(
  text: string,
  { at, text: piece, kind }: { readonly at: number; readonly text: string; readonly kind: EditKind },
): string {
  const place = at % text.length;
  const [start, end] = [text.slice(0, place), text.slice(place)];
  switch (kind) {
    case 'cut':
      return start + end.slice(1);
    case 'case': {
      const [character = ''] = end;
      const other = character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase();
      return start + other + end.slice(1);
    }
    default:
      return start + piece + end.slice(kind === 'replace' ? 1 : 0);
  }
}

function withParameter(query: string, name: string, kind: ParameterKind): string {
  const parameters = query.split('&').flatMap((parameter) => {
    if (!parameter.startsWith(`${name}=`)) {
      return [parameter];
    }
    const ways = {
      drop: [],
      repeat: [parameter, parameter],
      empty: [`${name}=`],
      rename: [parameter.replace(name, name.toUpperCase())],
    };
    return ways[kind];
  });
  return parameters.join('&');
}

/** @returns the status of the answer */
export async function send(origin: string, { method, path, query, headers, body }: RawPut): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${origin}/`, { method, path: `${path}?${query}`, headers }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.once('error', reject).end(body);
  });
}
