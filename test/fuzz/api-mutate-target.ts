import { METHODS } from 'node:http';
import type { LocatedOperation } from '../support/openapi-document.js';
import { anybodys, type Draft, parametersOf, type Variation } from './api-draft.js';
import { boundariesOf, brief } from './api-values.js';
import { TEXTS } from './api-mutate-json.js';

/** What a URL can be written with, for the place of one value; none of it is text any more. */
const ESCAPES: readonly string[] = [
  '%',
  '%%',
  '%z',
  '%zz',
  '%2',
  '%00',
  '%0d%0ax-injected:%201',
  '%2f',
  '%252f',
  '%2e%2e%2f',
  '..%2f..%2f',
  '%5c',
  '%u0041',

  '%c0%af',
  '%c0%80',
  '%e0%80%af',
  '%ed%a0%80',
  '%f5%80%80%80',
  '%ff',
  '%ef%bc%8f',
  '%f0%9f%98',
  '+',
  '%20',
  '%2B',

  ';a=b',
  '*',
  '~',
  '!',
  "'",
  '(',
  ')',
  ',',
  ':',
  '@',
  '$',
  '[',
  ']',
  '{',
  '}',
  '|',
  '^',
  '`',
  '"',
  '<',
  '>',
  '.',
  '..',
  '\\',
  '%7B',
  'a'.repeat(7000),
  '%61'.repeat(2000),
  '9'.repeat(400),
];

/** The characters that would end a path where they stand; what is behind them then is another request. */
const ENDS_A_PATH = /[?#]/;

/** What can be wrong with each parameter that is part of the URL. */
export function parameterVariations(operation: LocatedOperation): Variation[] {
  const texts = [
    ...ESCAPES.map((text) => [brief(text), text] as const),
    ...TEXTS.map(([name, text]) => [name, encodeURIComponent(text.toWellFormed())] as const),
  ];
  return [
    ...parametersOf(operation, 'path').flatMap(({ name }) =>
      texts.map(([what, text]) => inPath(operation, name, what, text)),
    ),
    ...parametersOf(operation, 'query').flatMap(({ name, schema = {} }) => {
      const boundaries = boundariesOf(schema, schema.example).map(
        (value) => [`boundary ${brief(value)}`, encodeURIComponent(String(value).toWellFormed())] as const,
      );
      return [...boundaries, ...texts].map(([what, text]) => inQuery(name, what, text));
    }),
  ];
}

function inPath(operation: LocatedOperation, name: string, what: string, text: string): Variation {
  // An empty value, or one with a slash in it, asks for another path.
  const sameRoute = text !== '' && !text.includes('/') && !ENDS_A_PATH.test(text) && !/^\.{1,2}$/.test(text);
  const template = operation.path.split('/');
  const slot = template.indexOf(`{${name}}`);
  return {
    name: `{${name}} = ${what}`,
    apply: (draft) => {
      const segments = draft.path.split('/');
      // The key of an object has slashes of its own.
      const path = segments.toSpliced(slot, segments.length - template.length + 1, text).join('/');
      return sameRoute ? { ...draft, path } : anybodys({ ...draft, path });
    },
  };
}

function inQuery(name: string, what: string, text: string): Variation {
  return {
    name: `?${name} = ${what}`,
    apply: (draft) => ({
      ...draft,
      query: [...pairsWithout(draft.query, name), `${name}=${text}`].join('&'),
    }),
  };
}

function pairsWithout(query: string, name: string): string[] {
  return query.split('&').filter((pair) => pair !== '' && !pair.startsWith(`${name}=`));
}

/** Ways to write any query, or to add to it. */
const QUERIES: readonly string[] = [
  '=',
  '&',
  '&&&=&',
  '?',
  '??a=b',
  'a',
  'a=',
  '=a',
  'a=b=c',
  '%',
  '%zz',
  '%00=%00',
  '%ff=%ff',
  'a=%',
  'a;b',
  'a[b',
  'a]',

  '__proto__=1',
  '__proto__[polluted]=1',
  'constructor[prototype][polluted]=1',
  'toString=1',
  'hasOwnProperty=1',

  'unknown=1',
  'limit.a=1',
  'a=b#c',
  'a=http://b/?c',
  '/../..',
  'a=%0d%0ax-injected:1',
  'then=1',
  '0=1',
  'length=9',
  Array.from({ length: 1000 }, (_, index) => `p${index}=1`).join('&'),
  'a=1&'.repeat(1000),
  `a=${'b'.repeat(7000)}`,
  `a${'[b]'.repeat(1000)}=1`,
  '%61'.repeat(2000),
];

function queryVariations(operation: LocatedOperation): Variation[] {
  const names = parametersOf(operation, 'query').map(({ name }) => name);
  const games = names.flatMap((name) => [
    `${name}=1&${name}=2`,
    `${name}[]=1`,
    `${name}[a]=1`,
    `${name}[a][b]=1&${name}=2`,
    `${name}[0]=1&${name}[1]=2`,
    `${name}.a=1`,
    name,
    `${name.toUpperCase()}=1`,
    `%${name.charCodeAt(0).toString(16)}${name.slice(1)}=1`,
    Array.from({ length: 500 }, () => `${name}=1`).join('&'),
  ]);
  return [...QUERIES, ...games].map((query) => ({
    name: `?${brief(query)}`,
    apply: (draft) => ({ ...draft, query: draft.query === '' ? query : `${draft.query}&${query}` }),
  }));
}

/** Other ways to write a path. Whose request it then is, is for the router to say. */
const PATHS: readonly (readonly [name: string, change: (path: string) => string])[] = [
  ['in upper case', (path) => path.toUpperCase()],
  ['with a slash at its end', (path) => `${path}/`],
  ['with two slashes at its end', (path) => `${path}//`],
  ['with two slashes before it', (path) => `/${path}`],
  ['with slashes doubled', (path) => path.replaceAll('/', '//')],
  ['with a dot', (path) => path.replaceAll('/', '/./')],
  ['with two dots', (path) => `${path}/../${path}`],
  ['that climbs', (path) => `${path}/../../../../../etc/passwd`],
  ['that climbs from the root', () => '/../../../../../etc/passwd'],
  ['that climbs in escapes', (path) => `${path}/%2e%2e/%2e%2e/%2e%2e/etc/passwd`],
  ['with escaped slashes', (path) => path.slice(0, 1) + path.slice(1).replaceAll('/', '%2f')],
  ['with backslashes', (path) => path.slice(0, 1) + path.slice(1).replaceAll('/', '\\')],
  [
    'with every letter escaped',
    (path) => path.replaceAll(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  ],
  [
    'escaped twice',
    (path) => path.replaceAll(/[a-z]/g, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
  ],
  ['with NUL behind it', (path) => `${path}%00`],
  ['with NUL and more behind it', (path) => `${path}%00.jpg`],
  ['with an extension', (path) => `${path}.json`],
  ['with a parameter of its own', (path) => `${path};jsessionid=1`],
  ['with a blank behind it', (path) => `${path}%20`],
  ['with a line break behind it', (path) => `${path}%0d%0ax-injected:%201`],
  ['with another segment', (path) => `${path}/more`],
  ['with a broken escape', (path) => `${path}/%zz`],
  ['with an overlong escape', (path) => `${path}/%c0%af`],
  ['with 7,000 letters more', (path) => `${path}/${'a'.repeat(7000)}`],
  ['with 2,000 segments more', (path) => path + '/a'.repeat(2000)],
  ['with a fragment', (path) => `${path}#fragment`],
  ['without its last segment', (path) => path.replace(/\/[^/]*$/, '')],
  ['without its first segment', (path) => path.replace(/^\/[^/]*/, '')],
];

/** The documented methods belong to other operations, which have variations of their own. */
function methodVariations(operation: LocatedOperation): Variation[] {
  return METHODS.filter((method) => method !== operation.method).map((method) => ({
    name: `the method ${method}`,
    apply: (draft: Draft) => anybodys({ ...draft, method }),
  }));
}

/** What can be wrong with the first line of a request. */
export function targetVariations(operation: LocatedOperation): Variation[] {
  return [
    ...parameterVariations(operation),
    ...queryVariations(operation),
    ...methodVariations(operation),
    ...PATHS.map(([name, change]) => ({
      name: `a path ${name}`,
      apply: (draft: Draft) => anybodys({ ...draft, path: change(draft.path) }),
    })),
  ];
}
