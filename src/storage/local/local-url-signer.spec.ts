import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { InvalidObjectKeyError } from '../storage.errors.js';
import { LocalUrlSigner, type UploadFacts } from './local-url-signer.js';

const KEY =
  'users/0199f0c2-7d1e-7a30-9c55-0d6f4f0f9a11/image/2026/03/0199f0c2-9a4b-7cc1-8d2e-6b1a5c3f7e22.jpg';
const UPLOAD: UploadFacts = {
  key: KEY,
  expires: 1_795_000_000,
  contentType: 'image/jpeg',
  contentLengthRange: '2048,2048',
  ifGenerationMatch: '0',
};
const READ = { key: KEY, expires: 1_795_000_000 };

describe(LocalUrlSigner.name, () => {
  const signingKey = Buffer.alloc(32, 7);
  const sut = new LocalUrlSigner(signingKey);

  it('recognises its own signatures', () => {
    expect(sut.verifyUpload(UPLOAD, sut.signUpload(UPLOAD))).toBe(true);
    expect(sut.verifyRead(READ, sut.signRead(READ))).toBe(true);
  });

  it('signs the same text in every version, so that URLs outlive a restart', () => {
    const text = `["mediadock-url-v1","PUT","uploads","${KEY}",1795000000,"image/jpeg","2048,2048","0"]`;

    expect(sut.signUpload(UPLOAD)).toBe(createHmac('sha256', signingKey).update(text).digest('base64url'));
  });

  it.each<[keyof UploadFacts, UploadFacts]>([
    ['key', { ...UPLOAD, key: KEY.replace('.jpg', '.png') }],
    ['expires', { ...UPLOAD, expires: UPLOAD.expires + 1 }],
    ['contentType', { ...UPLOAD, contentType: 'image/png' }],
    ['contentLengthRange', { ...UPLOAD, contentLengthRange: '0,4096' }],
    ['ifGenerationMatch', { ...UPLOAD, ifGenerationMatch: '1' }],
  ])('refuses an upload whose %s is another', (_, changed) => {
    expect(sut.verifyUpload(changed, sut.signUpload(UPLOAD))).toBe(false);
  });

  it('does not let one value run over into the next', () => {
    const shifted = { ...UPLOAD, contentType: 'image/jpeg","2048,2048', contentLengthRange: '' };

    expect(sut.verifyUpload(shifted, sut.signUpload(UPLOAD))).toBe(false);
  });

  it('refuses a read of another key or at another time', () => {
    const signature = sut.signRead(READ);

    expect(sut.verifyRead({ ...READ, key: KEY.replace('.jpg', '.png') }, signature)).toBe(false);
    expect(sut.verifyRead({ ...READ, expires: READ.expires + 1 }, signature)).toBe(false);
  });

  it('never takes a signature for reading as one for writing, or the other way round', () => {
    expect(sut.verifyUpload(UPLOAD, sut.signRead(READ))).toBe(false);
    expect(sut.verifyRead(READ, sut.signUpload(UPLOAD))).toBe(false);
  });

  it.each(['', 'x', 'é'.repeat(43), `${new LocalUrlSigner(signingKey).signRead(READ)}=`])(
    'refuses %j as a signature',
    (signature) => {
      expect(sut.verifyRead(READ, signature)).toBe(false);
    },
  );

  it('refuses what another key has signed', () => {
    const other = new LocalUrlSigner(randomBytes(32));

    expect(sut.verifyRead(READ, other.signRead(READ))).toBe(false);
  });

  it('signs nothing for a key that Mediadock never makes', () => {
    expect(() => sut.signUpload({ ...UPLOAD, key: '../x' })).toThrow(InvalidObjectKeyError);
    expect(() => sut.signRead({ ...READ, key: '../x' })).toThrow(InvalidObjectKeyError);
  });

  it('refuses a signing key that is shorter than its hash', () => {
    expect(() => new LocalUrlSigner(randomBytes(31))).toThrow(RangeError);
  });
});
