import type { OpenApiDocument, Schema } from '../support/openapi-document.js';
import type { Draft, Variation } from './api-draft.js';
import { brief, HOSTILE_TEXTS, INJECTED_HEADER, valuesFor } from './api-values.js';

type Path = readonly (string | number)[];

/** A place in a body, what the document says about it, and what stands there in an honest request. */
interface Place {
  readonly path: Path;
  readonly schema: Schema;
  readonly example: unknown;
}

/** Keys that objects have by themselves, or that mean something to somebody. */
const KEYS: Readonly<Record<string, string>> = {
  __proto__: '"__proto__":{"polluted":1,"fileName":"x"}',
  constructor: '"constructor":{"prototype":{"polluted":1}}',
  prototype: '"prototype":{}',
  'toString and the like': '"toString":1,"valueOf":1,"hasOwnProperty":1,"toJSON":1,"then":1',
  'one that nobody knows': '"unknown":1',
  'an empty one': '"":1',
  'one with dots': '"a.b.c":1,"a[0]":1',
  'one that is a number': '"0":1,"length":5',
  'one with NUL': String.raw`"\u0000":1`,
  'one with half a character': String.raw`"\ud800":1`,
  'one with line breaks': JSON.stringify({ [`a\r\n${INJECTED_HEADER}: 1`]: 1 }).slice(1, -1),
  'one of 50,000 characters': `"${'k'.repeat(50_000)}":1`,
  '5,000 of them': Array.from({ length: 5000 }, (_, index) => `"k${index}":0`).join(','),
  'the same one 5,000 times': Array.from({ length: 5000 }, () => '"k":0').join(','),
};

/** The text instead of a whole body. */
const WHOLE_BODIES: readonly string[] = [
  '',
  ' ',
  '{',
  '}',
  '{}',
  '{} {}',
  '{},',
  '[]',
  '[{}]',
  'null',
  'true',
  '5',
  '"a"',
  'NaN',
  'undefined',
  "{'a':1}",
  '{"a":1',
  '{"a"',
  '//',
  '<a/>',
  'a=1&b=2',
  '{"__proto__":null}',
  '\ufeff{}',
  '\0',
  '{"a":\0}',
  `${' '.repeat(60_000)}{}`,
  `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
  `{${Array.from({ length: 4000 }, (_, index) => `"k${index}":{}`).join(',')}}`,
];

/** All that can be wrong with the JSON of a body that is JSON: in every place of its schema, and as a whole. */
export function jsonVariations(document: OpenApiDocument, schema: Schema, example: unknown): Variation[] {
  const places = placesBelow(document, schema, example, []);
  return [
    ...WHOLE_BODIES.map((text) => putting([], `body = ${brief(text)}`, text)),
    ...places.flatMap((place) => variationsOfPlace(place)),
  ];
}

function variationsOfPlace({ path, schema, example }: Place): Variation[] {
  const name = path.join('.');
  const isObject = typeof example === 'object' && example !== null && !Array.isArray(example);
  const values = path.length === 0 ? [] : valuesFor(schema, example);
  return [
    ...values.map(([what, text]) => putting(path, `${name} = ${what}`, text)),
    ...(path.length === 0 ? [] : [without(path), renamed(path), twice(path, true), twice(path, false)]),
    ...(isObject
      ? Object.entries(KEYS).map(([what, text]) =>
          withMember(path, `${name || 'body'} with the key ${what}`, text),
        )
      : []),
  ];
}

function placesBelow(document: OpenApiDocument, schema: Schema, example: unknown, path: Path): Place[] {
  const known = resolve(document, schema);
  const properties = Object.entries(known.properties ?? {});
  const item = Array.isArray(example) ? example[0] : undefined;
  return [
    { path, schema: known, example },
    ...properties.flatMap(([name, property]) =>
      placesBelow(document, property, memberOf(example, name), [...path, name]),
    ),
    ...(known.items === undefined ? [] : placesBelow(document, known.items, item, [...path, 0])),
  ];
}

/** Follows references, as far as one schema says one thing. */
export function resolve(document: OpenApiDocument, schema: Schema): Schema {
  const [only] = schema.allOf ?? [];
  const name = schema.$ref?.replace('#/components/schemas/', '');
  const target = name === undefined ? only : document.components.schemas[name];
  return target === undefined ? schema : { ...resolve(document, target), ...own(schema) };
}

function own({ $ref: _reference, allOf: _parts, ...rest }: Schema): Schema {
  return rest;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** An honest value for a schema of the document. */
export function exampleOf(document: OpenApiDocument, schema: Schema): unknown {
  const known = resolve(document, schema);
  if (known.example !== undefined) {
    return known.example;
  }
  if (known.items !== undefined) {
    return [exampleOf(document, known.items)];
  }
  return Object.fromEntries(
    Object.entries(known.properties ?? {}).map(([name, property]) => [name, exampleOf(document, property)]),
  );
}

function putting(path: Path, name: string, text: string): Variation {
  return change(name, (draft, value, raws) =>
    inJson(
      draft,
      changedAt(value, path, () => `@raw${raws.length}@`),
      [...raws, text],
    ),
  );
}

function without(path: Path): Variation {
  return change(`without ${path.join('.')}`, (draft, value, raws) =>
    inJson(
      draft,
      changedAt(value, path, () => undefined),
      raws,
    ),
  );
}

function renamed(path: Path): Variation {
  const key = String(path.at(-1));
  const text = `"${key.toUpperCase()}":${JSON.stringify(key)}`;
  return change(`${path.join('.')} in upper case`, (draft, value, raws) =>
    inJson(
      draft,
      member(
        changedAt(value, path, () => undefined),
        path.slice(0, -1),
        raws,
      ),
      [...raws, text],
    ),
  );
}

/** The second of two equal keys counts (ECMA-262, 25.5.1): once the wrong one is first, and once the right one. */
function twice(path: Path, last: boolean): Variation {
  const key = String(path.at(-1));
  return change(
    `${path.join('.')} twice, ${last ? 'the last' : 'the first'} one wrong`,
    (draft, value, raws) => {
      const good = valueAt(value, path);
      const texts = [JSON.stringify(good) ?? '1', '{"wrong":[]}'];
      const text = (last ? texts : texts.toReversed()).map((one) => `"${key}":${one}`).join(',');
      return inJson(
        draft,
        member(
          changedAt(value, path, () => undefined),
          path.slice(0, -1),
          raws,
        ),
        [...raws, text],
      );
    },
  );
}

function withMember(path: Path, name: string, text: string): Variation {
  return change(name, (draft, value, raws) => inJson(draft, member(value, path, raws), [...raws, text]));
}

function member(value: unknown, path: Path, raws: readonly string[]): unknown {
  return changedAt(value, path, (object) =>
    typeof object === 'object' && object !== null ? { ...object, [`@raw${raws.length}@`]: 0 } : object,
  );
}

function change(
  name: string,
  apply: (draft: Draft, value: unknown, raws: readonly string[]) => Draft,
): Variation {
  return {
    name,
    apply: (draft) => (draft.body.kind === 'json' ? apply(draft, draft.body.value, draft.body.raws) : draft),
  };
}

function inJson(draft: Draft, value: unknown, raws: readonly string[]): Draft {
  return { ...draft, body: { kind: 'json', value, raws } };
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, key) => memberOf(inner, String(key)), value);
}

/** A copy in which what is at this place is what the change makes of it; where there is no such place, as it was. */
function changedAt(value: unknown, [key, ...rest]: Path, apply: (value: unknown) => unknown): unknown {
  if (key === undefined) {
    return apply(value);
  }
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (index === key ? changedAt(item, rest, apply) : item));
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  return { ...value, [key]: changedAt(memberOf(value, String(key)), rest, apply) };
}

/** All texts, for the fields of a form and the parts of a multipart body. */
export const TEXTS: readonly (readonly [name: string, text: string])[] = Object.entries(HOSTILE_TEXTS);
