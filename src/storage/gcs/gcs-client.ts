import { Storage } from '@google-cloud/storage';
import { JWT } from 'google-auth-library';
import type { ServiceAccountKey } from './service-account-key.js';

export interface GcsClientOptions {
  /** null: as the credentials say. */
  readonly projectId: string | null;
  /** Scheme and host, without a trailing slash. */
  readonly apiEndpoint: string;
  /** null: Application Default Credentials. */
  readonly serviceAccount: ServiceAccountKey | null;
  /** Whether requests carry the account's token; by default, wherever they are encrypted. */
  readonly sendTokens?: boolean;
}

export const GOOGLE_ENDPOINT = 'https://storage.googleapis.com';

/** The narrowest scope in which a bucket's IAM policy can be changed; what may be done is for IAM roles to say. */
const SCOPE = 'https://www.googleapis.com/auth/devstorage.full_control';

/**
 * Google's client, with its own retries off (see `GcsCalls`).
 *
 * An endpoint without TLS is an emulator on this machine or beside it: it gets no token of the account, neither in
 * clear text nor at the price of asking Google for one.
 */
export function createGcsClient(options: GcsClientOptions): Storage {
  const { apiEndpoint, serviceAccount } = options;
  const projectId = options.projectId ?? serviceAccount?.projectId;
  return new Storage({
    apiEndpoint,
    useAuthWithCustomEndpoint: options.sendTokens ?? apiEndpoint.startsWith('https:'),
    retryOptions: { autoRetry: false },
    ...(projectId !== undefined && { projectId }),
    ...(serviceAccount !== null && { authClient: jwtOf(serviceAccount) }),
  });
}

function jwtOf({ clientEmail, privateKey }: ServiceAccountKey): JWT {
  return new JWT({ email: clientEmail, key: privateKey, scopes: [SCOPE] });
}
