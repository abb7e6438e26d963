import type { Algorithm } from 'jsonwebtoken';
import { passportJwtSecret } from 'jwks-rsa';
import type { SecretOrKeyProvider } from 'passport-jwt';
import type { AppConfig } from '../config/app-config.js';
import type { Secrets } from '../config/secrets.js';

type KeyOptions = { algorithms: Algorithm[] } & (
  { secretOrKey: string } | { secretOrKeyProvider: SecretOrKeyProvider }
);

const JWKS_TIMEOUT_MS = 5_000;
const JWKS_CACHE_MS = 10 * 60_000;
const JWKS_REQUESTS_PER_MINUTE = 10;

/**
 * The key that verifies tokens, and the only algorithms it may be used with. The algorithm follows from our own
 * setting: a token that names another one (`none`, or HS256 over a public key) is refused (RFC 8725, section 3.1).
 */
export function jwtKeyOptions(config: AppConfig, secrets: Secrets): KeyOptions {
  const { key } = config.auth;
  switch (key.kind) {
    case 'public-key':
      return { secretOrKey: key.pem, algorithms: [key.algorithm] };
    case 'jwks':
      return {
        secretOrKeyProvider: passportJwtSecret({
          jwksUri: key.url,
          cache: true,
          cacheMaxAge: JWKS_CACHE_MS,
          rateLimit: true,
          jwksRequestsPerMinute: JWKS_REQUESTS_PER_MINUTE,
          timeout: JWKS_TIMEOUT_MS,
        }),
        algorithms: ['RS256', 'ES256'],
      };
    case 'secret':
    case 'generated':
      if (secrets.jwtSecret === null) {
        throw new Error('The secret that verifies tokens has not been loaded');
      }
      return { secretOrKey: secrets.jwtSecret, algorithms: ['HS256'] };
  }
}
