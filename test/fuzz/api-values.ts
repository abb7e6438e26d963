import type { Schema } from '../support/openapi-document.js';

/** A header that nobody sends on purpose: whoever finds it in an answer has found a hole. */
export const INJECTED_HEADER = 'x-injected';

const CRLF_INJECTION = `a\r\n${INJECTED_HEADER}: 1\r\n\r\n<html>`;

/** Texts that have broken software before. */
export const HOSTILE_TEXTS: Readonly<Record<string, string>> = {
  empty: '',
  blanks: '   ',
  zero: '0',
  'minus one': '-1',
  'half of one': '0.5',
  'an exponent': '1e400',
  hex: '0x10',
  '2^53 + 1': '9007199254740993',
  'a number without end': '9'.repeat(400),
  'a full-width digit': '１',
  true: 'true',
  null: 'null',
  undefined: 'undefined',
  NaN: 'NaN',
  NUL: '\0',
  'NUL in it': 'a\0b',
  'a line break and a header': CRLF_INJECTION,
  'a line break of Unicode': 'a\u2028b\u0085c',
  'text from right to left': 'a\u202egpj.exe',
  'a byte order mark': '\ufeffa',
  'a high surrogate alone': 'a\ud800',
  'a low surrogate alone': '\udc00a',
  'surrogates the wrong way round': '\udc00\ud800',
  'no character': '\uffff',
  'marks without end': `e${'\u0301'.repeat(2000)}`,
  'a family': '👨‍👩‍👧‍👦'.repeat(100),
  'the way up': '../../../../etc/passwd',
  'the way up, escaped': '..%2f..%2f..%2fetc%2fpasswd',
  'the way up of Windows': String.raw`..\..\windows\win.ini`,
  'an escaped NUL': 'a%00b',
  SQL: "' or '1'='1' --",
  'more SQL': "'; drop table media_files; --",
  'a cast of SQL': "1'::int",
  'a template': '${7*7}{{7*7}}<%= 7*7 %>#{7*7}',
  'a script': '<script>alert(1)</script>',
  'a format': '%s%n%d%x',
  'a prototype': '__proto__',
  'a constructor': 'constructor',
  'a method of all objects': 'toString',
  'a UUID of nobody': '00000000-0000-0000-0000-000000000000',
  'a UUID in braces': '{01937d4e-0000-7000-8000-000000000000}',
  'a URL': 'http://127.0.0.1:1/',
  'an expression that backtracks': `${'a'.repeat(5000)}!`,
  '5,000 characters': 'a'.repeat(5000),
};

/** Texts for the place of a value in JSON, most of which no value would be written as. */
const HOSTILE_JSON: readonly string[] = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '1',
  '-1',
  '1.5',
  '1e-9',
  '1e308',
  '1e400',
  '-1e400',
  '1E+2',
  '2147483648',
  '4294967296',
  '9007199254740992',
  '9007199254740993',
  '18446744073709551616',
  '1'.repeat(5000),
  `0.${'0'.repeat(5000)}1`,

  'NaN',
  'Infinity',
  '-Infinity',
  'undefined',
  '01',
  '+1',
  '.5',
  '1.',
  '0x10',
  '1_000',
  '1n',
  "'a'",
  '`a`',
  '[]',
  '[[]]',
  '[null]',
  '["a"]',
  '[0]',
  '{}',
  '{"a":1}',
  '{"length":1000000000}',
  '{"toString":1}',

  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"then":1}',
  '{"$ne":1}',

  String.raw`"\u0000"`,
  String.raw`"\ud800"`,
  String.raw`"\udc00\ud800"`,
  String.raw`"\x41"`,
  '"\n"',
  '"\0"',
  '"',
  '"a',
  '"a" "b"',
  '1 2',
  '/* */1',
  '1//',
  '{"a":1,}',
  '[1,]',
  '{a:1}',
  '{"a"}',
  '',
  ',',
  ':',
];

/** The costly ones; all of them within the limit of a body, so that they reach what stands behind it. */
const LARGE_JSON: readonly (readonly [name: string, text: string])[] = [
  ['60,000 characters', JSON.stringify('a'.repeat(60_000))],
  ['30,000 escapes', `"${String.raw`\n`.repeat(30_000)}"`],
  ['20,000 emoji halves', `"${String.raw`\ud83d`.repeat(10_000)}"`],
  ['arrays 10,000 deep', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
  ['objects 10,000 deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
  ['arrays 10,000 deep that never end', '['.repeat(10_000)],
  ['an array of 30,000 numbers', `[${'0,'.repeat(29_999)}0]`],
  ['an array of 15,000 objects', `[${'{},'.repeat(14_999)}{}]`],
  ['an array of 20,000 arrays', `[${'[],'.repeat(19_999)}[]]`],
];

/** Names and texts to put where a value of this schema should stand. */
export function valuesFor(schema: Schema, example: unknown): [name: string, json: string][] {
  return [
    ...boundariesOf(schema, example).map((value): [string, string] => [
      `boundary ${brief(value)}`,
      textOf(value),
    ]),
    ...HOSTILE_JSON.map((text): [string, string] => [brief(text), text]),
    ...Object.entries(HOSTILE_TEXTS).map(([name, text]): [string, string] => [name, JSON.stringify(text)]),
    ...LARGE_JSON.map(([name, text]): [string, string] => [name, text]),
  ];
}

/** The last value that a schema allows, and the first one that it does not. */
export function boundariesOf(schema: Schema, example: unknown): unknown[] {
  const limit = (keyword: string) => (typeof schema[keyword] === 'number' ? schema[keyword] : null);
  const [minLength, maxLength] = [limit('minLength'), limit('maxLength')];
  const [minimum, maximum] = [limit('minimum'), limit('maximum')];
  const [minItems, maxItems] = [limit('minItems'), limit('maxItems')];
  const choices = Array.isArray(schema['enum']) ? schema['enum'] : [];
  const [item] = Array.isArray(example) ? [...example] : [];
  return [
    ...around(minLength, maxLength)
      .filter((length) => length >= 0)
      // By characters, and by characters that take two units of a string and four bytes.
      .flatMap((length) => ['n'.repeat(length), '😀'.repeat(Math.min(length, 10_000))]),
    ...around(minimum, maximum).flatMap((value) => [value, value + 0.5]),
    ...around(minItems, maxItems)
      .filter((length) => length >= 0)
      .map((length) => Array.from({ length }, () => item)),
    ...choices.flatMap((choice) => [choice, String(choice).toUpperCase(), `${choice} `, [choice]]),
    ...(example === undefined ? [] : [example, [example], textOf(example), { value: example }]),
  ];
}

/** The numbers below, at and above each limit that there is. */
function around(...limits: readonly (number | null)[]): number[] {
  return limits.flatMap((limit) => (limit === null ? [] : [limit - 1, limit, limit + 1]));
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

/** Short enough for a report. */
export function brief(value: unknown): string {
  const text = typeof value === 'string' ? value : textOf(value);
  return text.length <= 40 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 30))}… (${text.length})`;
}
