import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { HmacKey } from '../../config/app-config.js';
import type { SigningIdentity } from './signing-identity.js';

/**
 * Signs with an HMAC key, for a hundredth of what a signature with RSA costs. What signs is derived from the secret for
 * each scope, which holds for a day ("Signatures" in the documentation of Cloud Storage), so it is kept until then.
 */
export function identityOfHmacKey({ accessId, secret }: HmacKey): SigningIdentity {
  let derived: { readonly scope: string; readonly key: KeyObject } | null = null;
  const keyFor = (scope: string): KeyObject => {
    if (derived?.scope !== scope) {
      derived = { scope, key: deriveKey(secret, scope) };
    }
    return derived.key;
  };
  return {
    algorithm: 'GOOG4-HMAC-SHA256',
    authorizer: accessId,
    sign: async (text, scope) => hmac(keyFor(scope), text),
  };
}

/**
 * Date, location, service and request type, each folded into the key that the one before has led to. Node turns bytes into
 * such an object for every signature, which takes four times as long as signing.
 */
function deriveKey(secret: string, scope: string): KeyObject {
  const start = createSecretKey(`GOOG4${secret}`, 'utf8');
  return scope.split('/').reduce((key, part) => createSecretKey(hmac(key, part)), start);
}

function hmac(key: KeyObject, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
