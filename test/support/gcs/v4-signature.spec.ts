import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StorageFault } from './storage-fault.js';
import { canonicalRequest, type SignedRequest, stringToSign, verifySignature } from './v4-signature.js';
import { V4_VECTORS, V4_VECTORS_EMAIL, V4_VECTORS_PUBLIC_KEY, type V4Vector } from './v4-vectors.js';

const ACCOUNT = { email: V4_VECTORS_EMAIL, publicKey: createPublicKey(V4_VECTORS_PUBLIC_KEY) };

function requestOf({ method, expectedUrl, headers = {} }: V4Vector): SignedRequest {
  const sent = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    method,
    url: expectedUrl,
    headers: { ...Object.fromEntries(sent), host: new URL(expectedUrl).host },
  };
}

function codeOf(verification: () => void): string {
  try {
    verification();
  } catch (error) {
    if (error instanceof StorageFault) {
      return error.code;
    }
    throw error;
  }
  return 'genuine';
}

describe(verifySignature.name, () => {
  const named = V4_VECTORS.map((vector): [string, V4Vector] => [vector.description, vector]);

  it('knows all published cases', () => {
    expect(V4_VECTORS).toHaveLength(29);
  });

  it.each(named)('reads the published case "%s" as Google does', (_, vector) => {
    const request = requestOf(vector);

    expect(canonicalRequest(request)).toBe(vector.expectedCanonicalRequest);
    expect(stringToSign(request)).toBe(vector.expectedStringToSign);
  });

  it.each(named)('finds the published case "%s" genuine while it is valid', (_, vector) => {
    const start = Date.parse(vector.timestamp);
    const verifyAt = (now: number) => codeOf(() => verifySignature(requestOf(vector), ACCOUNT, now));

    expect(verifyAt(start)).toBe('genuine');
    expect(verifyAt(start + vector.expiration * 1000 - 1)).toBe('genuine');
    expect(verifyAt(start + vector.expiration * 1000)).toBe('ExpiredToken');
    expect(verifyAt(start - 1000)).toBe('AccessDenied');
  });

  describe('of a request that is not the signed one', () => {
    const vector = V4_VECTORS.find(({ description }) => description === 'Simple headers');
    if (vector === undefined) {
      throw new Error('The published cases are not the ones that were expected');
    }
    const genuine = requestOf(vector);
    const codeWith = (changes: Partial<SignedRequest>) =>
      codeOf(() => verifySignature({ ...genuine, ...changes }, ACCOUNT, Date.parse(vector.timestamp)));

    it.each<[string, Partial<SignedRequest>, string]>([
      ['another method', { method: 'PUT' }, 'SignatureDoesNotMatch'],
      ['another object', { url: genuine.url.replace('test-object', 'other') }, 'SignatureDoesNotMatch'],
      ['another host', { url: genuine.url.replace('storage.', 'other.') }, 'SignatureDoesNotMatch'],
      ['one more parameter', { url: `${genuine.url}&a=b` }, 'SignatureDoesNotMatch'],
      ['a longer life', { url: genuine.url.replace('Expires=10', 'Expires=99') }, 'SignatureDoesNotMatch'],
      ['a changed header', { headers: { ...genuine.headers, foo: 'other' } }, 'SignatureDoesNotMatch'],
      [
        'a missing header',
        { headers: { host: 'storage.googleapis.com', bar: 'x' } },
        'MalformedSecurityHeader',
      ],
      [
        'a Google header that nobody signed',
        { headers: { ...genuine.headers, 'x-goog-acl': 'public-read' } },
        'MalformedSecurityHeader',
      ],
      ['no signature', { url: genuine.url.replace(/&X-Goog-Signature=.*/, '') }, 'AuthenticationRequired'],
      [
        'a signature of nothing',
        { url: genuine.url.replace(/Signature=.*/, 'Signature=00') },
        'SignatureDoesNotMatch',
      ],
      [
        'more than seven days',
        { url: genuine.url.replace('Expires=10', 'Expires=604801') },
        'InvalidArgument',
      ],
      ['an unknown algorithm', { url: genuine.url.replace('RSA-SHA256', 'RSA-SHA1') }, 'InvalidArgument'],
      [
        'another algorithm',
        { url: genuine.url.replace('RSA-SHA256', 'HMAC-SHA256') },
        'SignatureDoesNotMatch',
      ],
    ])('refuses %s', (_, changes, code) => {
      expect(codeWith(changes)).toBe(code);
    });

    it('refuses the signature of another account, or with another key', () => {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const now = Date.parse(vector.timestamp);

      expect(codeOf(() => verifySignature(genuine, { ...ACCOUNT, email: 'other@example.com' }, now))).toBe(
        'SignatureDoesNotMatch',
      );
      expect(codeOf(() => verifySignature(genuine, { ...ACCOUNT, publicKey }, now))).toBe(
        'SignatureDoesNotMatch',
      );
    });
  });
});
