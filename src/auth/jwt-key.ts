import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { callbackify } from 'node:util';
import jwt, { type Algorithm } from 'jsonwebtoken';
import type { SecretOrKeyProvider } from 'passport-jwt';
import type { AppConfig } from '../config/app-config.js';
import type { Secrets } from '../config/secrets.js';
import { RemoteKeySet } from './remote-key-set.js';

type KeyOptions = { algorithms: Algorithm[] } & { secretOrKeyProvider: SecretOrKeyProvider };

/** Finds the key of a token, or says why there is none. */
type KeyProvider = (token: string, done: (error: Error | null, key: KeyObject | null) => void) => void;

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
        secretOrKeyProvider: refusing(oneOf(new RemoteKeySet(key.url))),
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
function always(key: KeyObject): KeyProvider {
  return (_token, done) => done(null, key);
}

function oneOf(keys: RemoteKeySet): KeyProvider {
  return callbackify(async (token: string): Promise<KeyObject> => {
    const header = decode(token)?.header;
    const key = header === undefined ? null : await keys.keyFor(header);
    if (key === null) {
      throw new Error('There is no such key');
    }
    return key;
  });
}

/**
 * Refuses what jsonwebtoken 9 does not refuse but throws at: a token whose payload is no object. Thrown once a key set has
 * been asked, there is nobody to catch that, which ends the process.
 */
function refusing(provider: KeyProvider): SecretOrKeyProvider {
  return (_request, token, done) => {
    if (typeof token !== 'string' || !hasClaims(token)) {
      done(new Error('The token has no claims'));
      return;
    }
    // passport-jwt hands the key on unseen; only its types are older than key objects.
    provider(token, (error, key) => Reflect.apply(done, undefined, [error, key]));
  };
}

/** A payload that begins with a brace can only be an object, or no JSON, which jsonwebtoken does refuse. */
const CLAIMS = /^[\w-]+\.e[wxyz0123]/;

function hasClaims(token: string): boolean {
  if (CLAIMS.test(token)) {
    return true;
  }
  const claims = decode(token)?.payload;
  return typeof claims === 'object' && claims !== null && !Array.isArray(claims);
}

function decode(token: string): jwt.Jwt | null {
  try {
    return jwt.decode(token, { complete: true });
  } catch {
    return null;
  }
}
