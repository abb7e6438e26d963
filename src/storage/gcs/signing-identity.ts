import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { Storage } from '@google-cloud/storage';
import type { ServiceAccountKey } from './service-account-key.js';

/** Who signs URLs. */
export interface SigningIdentity {
  /** As `X-Goog-Algorithm` has it. With RSA, it is SHA-256 and PKCS #1 v1.5. */
  readonly algorithm: 'GOOG4-RSA-SHA256' | 'GOOG4-HMAC-SHA256';
  /** E-mail address of the service account, or the access ID of a key of its. */
  readonly authorizer: string;
  /**
   * @param text signed in its UTF-8 form
   * @param scope the credential scope: `20190201/auto/storage/goog4_request`
   */
  sign(text: string, scope: string): Promise<Buffer>;
}

const signAsync = promisify(sign);

/**
 * Signs with a private key of its own. In the thread pool, so that a page of private URLs does not hold up the event
 * loop; and with a key that is parsed once, which takes as long as the signature itself.
 */
export function identityOfKey({ clientEmail, privateKey }: ServiceAccountKey): SigningIdentity {
  const key: KeyObject = createPrivateKey(privateKey);
  return {
    algorithm: 'GOOG4-RSA-SHA256',
    authorizer: clientEmail,
    sign: (text) => signAsync('RSA-SHA256', Buffer.from(text), key),
  };
}

/**
 * Finds out who Application Default Credentials are. Where they hold no private key (Workload Identity, the metadata
 * server), each signature is a call to `signBlob` of the IAM Credentials API, for which the service account needs the
 * role `roles/iam.serviceAccountTokenCreator` on itself.
 *
 * @param signingEndpoint where `signBlob` is, when it is not Google's own address
 */
export async function identityOfEnvironment(
  { authClient }: Storage,
  signingEndpoint?: string,
): Promise<SigningIdentity> {
  const { client_email: email, private_key: privateKey } = await authClient.getCredentials();
  if (email === undefined) {
    throw new Error(
      'The Google credentials belong to no service account, and only one of those can sign URLs',
    );
  }
  if (privateKey !== undefined) {
    return identityOfKey({ clientEmail: email, privateKey });
  }
  return {
    algorithm: 'GOOG4-RSA-SHA256',
    authorizer: email,
    sign: async (text) => Buffer.from(await authClient.sign(text, signingEndpoint), 'base64'),
  };
}
