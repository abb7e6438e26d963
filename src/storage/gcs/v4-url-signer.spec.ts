import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  V4_VECTORS,
  V4_VECTORS_EMAIL,
  V4_VECTORS_PUBLIC_KEY,
  type V4Vector,
} from '../../../test/support/gcs/v4-vectors.js';
import type { SigningIdentity } from './signing-identity.js';
import { signUrlV4, type V4Terms } from './v4-url-signer.js';

/** Whatever it is asked to sign, it has one signature only; the text shows whether that is the right one. */
class RecordedIdentity implements SigningIdentity {
  readonly algorithm = 'GOOG4-RSA-SHA256';
  readonly authorizer = V4_VECTORS_EMAIL;
  text = '';

  constructor(private readonly signature: Buffer) {}

  async sign(text: string): Promise<Buffer> {
    this.text = text;
    return this.signature;
  }
}

function termsOf({
  expectedUrl,
  method,
  headers,
  queryParameters,
  timestamp,
  expiration,
}: V4Vector): V4Terms {
  const [, origin = '', path = ''] = /^(\w+:\/\/[^/]+)([^?]+)/.exec(expectedUrl) ?? [];
  return {
    method,
    origin,
    path,
    validFrom: Date.parse(timestamp) / 1000,
    validFor: expiration,
    ...(headers !== undefined && { headers }),
    ...(queryParameters !== undefined && { query: queryParameters }),
  };
}

describe(signUrlV4.name, () => {
  it.each(V4_VECTORS.map((vector): [string, V4Vector] => [vector.description, vector]))(
    'makes the URL of the published case "%s"',
    async (_, vector) => {
      const signature = Buffer.from(
        new URL(vector.expectedUrl).searchParams.get('X-Goog-Signature') ?? '',
        'hex',
      );
      const identity = new RecordedIdentity(signature);

      const url = await signUrlV4(termsOf(vector), identity);

      expect(url).toBe(vector.expectedUrl);
      expect(identity.text).toBe(vector.expectedStringToSign);
      const publicKey = createPublicKey(V4_VECTORS_PUBLIC_KEY);
      expect(verify('RSA-SHA256', Buffer.from(identity.text), publicKey, signature)).toBe(true);
    },
  );
});
