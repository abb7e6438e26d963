import { describe, expect, it } from 'vitest';
import { identityOfHmacKey } from './hmac-identity.js';

const KEY = {
  accessId: 'GOOG1EXAMPLE',
  secret: 'c2VjcmV0LW9mLWEta2V5LXRoYXQtaXMtbm8ta2V5',
};
const TODAY = '20261125/auto/storage/goog4_request';
const TOMORROW = '20261126/auto/storage/goog4_request';
/** Calculated with the `hmac` module of Python. */
const SIGNATURES = {
  [TODAY]: 'a670fdb2843ecc17bb4f4a9b0008f783259f3d769a1111bba3a8ffa0c9275bca',
  [TOMORROW]: '2e7f4bef120fd476918b5f75d6ac01aefd9fc27ef991a0d7567aad83cd2a906d',
};

describe(identityOfHmacKey.name, () => {
  it('signs with what the secret and the scope lead to, from one day to the next and back', async () => {
    const sut = identityOfHmacKey(KEY);

    for (const scope of [TODAY, TODAY, TOMORROW, TODAY] as const) {
      expect((await sut.sign('a text to sign', scope)).toString('hex')).toBe(SIGNATURES[scope]);
    }
  });

  it('says by whose authority, and nothing of the secret', () => {
    const sut = identityOfHmacKey(KEY);

    expect(sut).toMatchObject({ algorithm: 'GOOG4-HMAC-SHA256', authorizer: KEY.accessId });
    expect(JSON.stringify(sut)).not.toContain(KEY.secret);
  });
});
