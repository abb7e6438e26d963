import jwt, { type SignOptions } from 'jsonwebtoken';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';
import { brief } from './api-values.js';

/** Whom nobody knows, whatever is sent in their name. */
const SUBJECTS: readonly string[] = [
  '',
  ' ',
  'a\0b',
  'a\nb',
  '\ud800',
  '\u202e',
  "' or 1=1 --",
  '__proto__',
  'constructor',
  '../..',
  'null',
  's'.repeat(255),
  's'.repeat(256),
  's'.repeat(5000),
  '💥'.repeat(127),
];

const ODD = 'odd';
const CLAIMS: readonly object[] = [
  {},
  { sub: 5 },
  { sub: null },
  { sub: ['canary'] },
  { sub: { a: 1 } },
  { sub: true },
  { sub: ODD, exp: 'soon' },
  { sub: ODD, exp: 1e300 },
  { sub: ODD, exp: -1 },
  { sub: ODD, nbf: 4e9 },
  { sub: ODD, nbf: 'x' },
  { sub: ODD, iat: 4e9 },
  { sub: ODD, aud: 'x', iss: 'y' },
];

/** What the first part of a token may say: other algorithms than ours, other keys, or nothing. */
const HEADS: Readonly<Record<string, unknown>> = {
  'no algorithm': { alg: 'none' },
  'no algorithm, in capitals': { alg: 'NONE', typ: 'JWT' },
  'an algorithm that is no text': { alg: ['HS256'] },
  'an algorithm of public keys': { alg: 'RS256' },
  'a head that is null': null,
  'a head that is a list': [],
  'keys of its own': {
    alg: 'HS256',
    jwk: { kty: 'oct', k: 'AA' },
    jku: 'http://127.0.0.1:1/',
    x5u: 'http://127.0.0.1:1/',
    kid: '../../x',
    crit: ['a'],
  },
};

/**
 * What may stand in `Authorization`, by name; null: nothing. Tokens that are none, or not ours, or odd. All those with a
 * good signature are of nobody who matters.
 *
 * @param token one that is good
 */
export function authorizations(token: string): Readonly<Record<string, string | null>> {
  return { ...headersWith(token), ...forgeries(token), ...signed() };
}

function headersWith(token: string): Record<string, string | null> {
  return {
    'no token': null,
    'an empty header': '',
    'only a scheme': 'Bearer',
    'a scheme and a blank': 'Bearer ',
    'a scheme in lower case': `bearer ${token}`,
    'no scheme': token,
    'another scheme': `Basic ${Buffer.from('alice:secret').toString('base64')}`,
    'a scheme of its own': `Token ${token}`,
    'two blanks': `Bearer  ${token}`,
    'a tab': `Bearer\t${token}`,
    'a blank behind it': `Bearer ${token} `,
    'two tokens': `Bearer ${token} ${token}`,
    'two tokens with a comma': `Bearer ${token}, Bearer ${token}`,
    'a quoted token': `Bearer "${token}"`,
    'raw bytes': 'Bearer \xff\xfe\x80',
    dots: 'Bearer ...',
    'a huge token': bearer('a'.repeat(14_000)),
    'a huge token of three parts': bearer(`${'a'.repeat(4000)}.${'b'.repeat(4000)}.${'c'.repeat(4000)}`),
  };
}

function forgeries(token: string): Record<string, string> {
  const [head = '', claims = '', signature = ''] = token.split('.');
  const heads = Object.entries(HEADS).flatMap(([name, odd]) => [
    [`${name}, signed by nobody`, bearer(`${part(odd)}.${part({ sub: 'canary', exp: 4e9 })}.`)],
    [name, bearer(`${part(odd)}.${claims}.${signature}`)],
  ]);
  return {
    ...Object.fromEntries(heads),
    'two parts': bearer(`${head}.${claims}`),
    'four parts': bearer(`${token}.${signature}`),
    'a signature cut off': bearer(`${head}.${claims}.`),
    'another signature': bearer(`${head}.${claims}.${signature.split('').toReversed().join('')}`),
    'other claims': bearer(`${head}.${part({ sub: 'canary', exp: 4e9 })}.${signature}`),
    'a head that is no JSON': bearer(`AAAA.${claims}.${signature}`),
    'claims that are null': bearer(`${head}.${part(null)}.${signature}`),
    'another secret': bearer(jwt.sign({ sub: 'canary' }, 'another secret of more than thirty-two bytes')),
  };
}

function signed(): Record<string, string> {
  return {
    'claims that are text': genuine('canary'),
    'signed with HS512': genuine({ sub: ODD }, { algorithm: 'HS512' }),
    'an expired token': bearer(tokenFor(ODD, { expiresIn: -10 })),
    ...Object.fromEntries(SUBJECTS.map((sub) => [`the subject ${brief(sub)}`, genuine({ sub })])),
    // As text, for the library refuses to sign what others may have signed.
    ...Object.fromEntries(CLAIMS.map((odd) => [`the claims ${brief(odd)}`, genuine(JSON.stringify(odd))])),
  };
}

function genuine(claims: string | object, options: SignOptions = {}): string {
  return bearer(jwt.sign(claims, TEST_SECRET, { algorithm: 'HS256', ...options }));
}

function bearer(text: string): string {
  return `Bearer ${text}`;
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
