import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { assertObjectKey } from '../object-key.js';

/** What the signature of an upload covers: as the client sends it, so that a changed header is a changed signature. */
export interface UploadFacts {
  readonly key: string;
  /** Seconds since 1970. */
  readonly expires: number;
  readonly contentType: string;
  /** `N,N`: the value of the `x-goog-content-length-range` header. */
  readonly contentLengthRange: string;
  /** The value of the `x-goog-if-generation-match` header; `0` says that there must be no object yet. */
  readonly ifGenerationMatch: string;
}

/** What the signature of a private read covers. Like on a cloud store, it is good for GET and HEAD. */
export interface ReadFacts {
  readonly key: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

/** RFC 2104, section 3: a key shorter than the hash weakens it. */
const MIN_KEY_BYTES = 32;

/**
 * Signs what a URL permits, with HMAC-SHA256 over a canonical text that begins with version and purpose: a signature
 * made for reading can never be used to write. Changing what is covered means a new version.
 */
export class LocalUrlSigner {
  private readonly key: KeyObject;

  /** @throws RangeError when the key has less than 32 bytes */
  constructor(signingKey: Buffer) {
    if (signingKey.length < MIN_KEY_BYTES) {
      throw new RangeError(`The signing key must have at least ${MIN_KEY_BYTES} bytes`);
    }
    this.key = createSecretKey(signingKey);
  }

  /** @throws InvalidObjectKeyError */
  signUpload(facts: UploadFacts): string {
    assertObjectKey(facts.key);
    return this.sign(uploadText(facts));
  }

  verifyUpload(facts: UploadFacts, signature: string): boolean {
    return this.verify(uploadText(facts), signature);
  }

  /** @throws InvalidObjectKeyError */
  signRead(facts: ReadFacts): string {
    assertObjectKey(facts.key);
    return this.sign(readText(facts));
  }

  verifyRead(facts: ReadFacts, signature: string): boolean {
    return this.verify(readText(facts), signature);
  }

  private sign(text: string): string {
    return createHmac('sha256', this.key).update(text).digest('base64url');
  }

  private verify(text: string, signature: string): boolean {
    const expected = Buffer.from(this.sign(text));
    const given = Buffer.from(signature);
    // The length of a signature is no secret; `timingSafeEqual` throws when lengths differ.
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}

function uploadText(facts: UploadFacts): string {
  const { key, expires, contentType, contentLengthRange, ifGenerationMatch } = facts;
  return canonical('PUT', 'uploads', key, expires, contentType, contentLengthRange, ifGenerationMatch);
}

function readText({ key, expires }: ReadFacts): string {
  return canonical('GET', 'media', key, expires);
}

/** As JSON, in which no value can run over into its neighbour. */
function canonical(...facts: (string | number)[]): string {
  return JSON.stringify(['mediadock-url-v1', ...facts]);
}
