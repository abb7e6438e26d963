import type { Storage } from '@google-cloud/storage';
import { LRUCache } from 'lru-cache';
import type { HmacKey } from '../../config/app-config.js';
import type { SignedUpload, SignedUploadRequest } from '../object-storage.js';
import { readExpiry, readExpiryStep } from '../read-expiry.js';
import type { GcsCalls } from './gcs-calls.js';
import { identityOfHmacKey } from './hmac-identity.js';
import type { ServiceAccountKey } from './service-account-key.js';
import { identityOfEnvironment, identityOfKey, type SigningIdentity } from './signing-identity.js';
import { signUrlV4, type V4Terms } from './v4-url-signer.js';

export interface GcsUrlsOptions {
  readonly apiEndpoint: string;
  readonly bucket: string;
  readonly uploadBucket: string;
  readonly readUrlTtlSeconds: number;
  readonly serviceAccount: ServiceAccountKey | null;
  /** Signs URLs instead of the service account, when there is one. */
  readonly hmacKey: HmacKey | null;
  readonly signingEndpoint?: string;
}

/** About 10 MB. A page of a hundred private files has 300 URLs. */
const CACHED_READ_URLS = 10_000;

/** Makes the signed URLs of the two buckets: V4, path style. */
export class GcsUrls {
  private readonly readUrls = new LRUCache<string, Promise<string>>({ max: CACHED_READ_URLS });
  /** Whoever signs without asking anybody. */
  private readonly ownIdentity: SigningIdentity | null;
  private environment: Promise<SigningIdentity> | undefined;

  constructor(
    private readonly client: Storage,
    private readonly calls: GcsCalls,
    private readonly options: GcsUrlsOptions,
  ) {
    this.ownIdentity = ownIdentityOf(options);
  }

  async signUpload({
    key,
    contentType,
    contentLength,
    expiresAt,
  }: SignedUploadRequest): Promise<SignedUpload> {
    const headers = {
      'content-type': contentType,
      'x-goog-content-length-range': `${contentLength},${contentLength}`,
      'x-goog-if-generation-match': '0',
    };
    const expires = Math.floor(expiresAt.getTime() / 1000);
    // A URL that has expired already is still a URL, valid for one second that has passed.
    const validFrom = Math.min(Math.floor(Date.now() / 1000), expires - 1);
    const url = await this.sign('signUpload', {
      method: 'PUT',
      path: `/${this.options.uploadBucket}/${key}`,
      headers,
      validFrom,
      validFor: expires - validFrom,
    });
    return { url, headers };
  }

  /**
   * A URL to read a media object with. The same URL comes back for a while, from every process, so that browsers find
   * it in their cache; and it is signed once only.
   */
  async signRead(key: string): Promise<string> {
    const { bucket, readUrlTtlSeconds } = this.options;
    const expires = readExpiry(Date.now(), readUrlTtlSeconds);
    const cacheKey = `${expires}/${key}`;
    const known = this.readUrls.get(cacheKey);
    if (known !== undefined) {
      return known;
    }
    const validFor = 2 * readExpiryStep(readUrlTtlSeconds);
    const signing = this.sign('readUrl', {
      method: 'GET',
      path: `/${bucket}/${key}`,
      validFrom: expires - validFor,
      validFor,
    });
    this.readUrls.set(cacheKey, signing);
    signing.catch(() => this.readUrls.delete(cacheKey));
    return signing;
  }

  /** Without a key it means asking Google who we are, and to sign: that may fail, and is tried again, like any other call. */
  private sign(operation: string, terms: Omit<V4Terms, 'origin'>): Promise<string> {
    const complete = { ...terms, origin: this.options.apiEndpoint };
    return this.ownIdentity === null
      ? this.calls.run(operation, async () => signUrlV4(complete, await this.identityOfEnvironment()))
      : signUrlV4(complete, this.ownIdentity);
  }

  /** Looked up once, however many ask at first; and again if that fails. */
  private async identityOfEnvironment(): Promise<SigningIdentity> {
    this.environment ??= identityOfEnvironment(this.client, this.options.signingEndpoint);
    try {
      return await this.environment;
    } catch (error) {
      this.environment = undefined;
      throw error;
    }
  }
}

function ownIdentityOf({ hmacKey, serviceAccount }: GcsUrlsOptions): SigningIdentity | null {
  if (hmacKey !== null) {
    return identityOfHmacKey(hmacKey);
  }
  return serviceAccount && identityOfKey(serviceAccount);
}
