import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import jwt, { type Algorithm } from 'jsonwebtoken';
import { passportJwtSecret } from 'jwks-rsa';
import type { SecretOrKeyProvider } from 'passport-jwt';
import type { AppConfig } from '../config/app-config.js';
import { ProblemError } from '../common/problem.js';
import type { Secrets } from '../config/secrets.js';

type KeyOptions = { algorithms: Algorithm[] } & { secretOrKeyProvider: SecretOrKeyProvider };

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
      return { secretOrKeyProvider: refusing(always(createPublicKey(key.pem))), algorithms: [key.algorithm] };
    case 'jwks':
      return {
        secretOrKeyProvider: refusing(
          passportJwtSecret({
            jwksUri: key.url,
            cache: true,
            cacheMaxAge: JWKS_CACHE_MS,
            rateLimit: true,
            jwksRequestsPerMinute: JWKS_REQUESTS_PER_MINUTE,
            timeout: JWKS_TIMEOUT_MS,
          }),
        ),
        algorithms: ['RS256', 'ES256'],
      };
    case 'secret':
    case 'generated':
      if (secrets.jwtSecret === null) {
        throw new Error('The secret that verifies tokens has not been loaded');
      }
      return {
        secretOrKeyProvider: refusing(always(createSecretKey(Buffer.from(secrets.jwtSecret)))),
        algorithms: ['HS256'],
      };
  }
}

/** Parsed once: jsonwebtoken would take a text apart for every token, first of all as a public key. */
function always(key: KeyObject): SecretOrKeyProvider {
  return (_request, _token, done) => {
    // passport-jwt hands it on unseen; only its types are older than key objects.
    Reflect.apply(done, undefined, [null, key]);
  };
}

/**
 * Refuses what jsonwebtoken 9 does not refuse but throws at: a token for which there is no key, and one whose payload
 * is no object. Thrown behind a key set's promise, that is an unhandled rejection, which ends the process.
 */
function refusing(provider: SecretOrKeyProvider): SecretOrKeyProvider {
  return (request, token, done) => {
    if (!hasClaims(token)) {
      done(new Error('The token has no claims'));
      return;
    }
    provider(request, token, (error: unknown, key) => done(refusalOf(error, key), key));
  };
}

/** A token of an unknown key is the client's fault; a key set that cannot be read is not, and must not sign users out. */
function refusalOf(error: unknown, key: unknown): Error | null {
  if (error) {
    return isRateLimit(error)
      ? new Error('Too many tokens of unknown keys', { cause: error })
      : new ProblemError('internal', 'The keys that verify tokens cannot be read now', {}, { cause: error });
  }
  return key ? null : new Error('There is no such key');
}

/** Only tokens of unknown keys are looked up again and again; known keys come from the cache. */
function isRateLimit(error: unknown): boolean {
  return error instanceof Error && error.name === 'JwksRateLimitError';
}

/** A payload that begins with a brace can only be an object, or no JSON, which jsonwebtoken does refuse. */
const CLAIMS = /^[\w-]+\.e[wxyz0123]/;

function hasClaims(token: unknown): boolean {
  if (typeof token === 'string' && CLAIMS.test(token)) {
    return true;
  }
  try {
    const claims: unknown = typeof token === 'string' ? jwt.decode(token) : null;
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims);
  } catch {
    return false;
  }
}
