import type { AppConfig } from '../config/app-config.js';
import { type Finding, ok, problem, reasonOf, warning } from './finding.js';

const CHECK = 'tokens';
const JWKS_TIMEOUT_MS = 5_000;

/** Whether bearer tokens can be verified, and how strictly. */
export async function checkAuth(config: AppConfig): Promise<Finding[]> {
  return [await checkKey(config), checkClaims(config)];
}

async function checkKey({ auth: { key }, nodeEnv }: AppConfig): Promise<Finding> {
  switch (key.kind) {
    case 'jwks':
      return checkJwks(key.url);
    case 'public-key':
      return ok(CHECK, `Verified with a public key, ${key.algorithm} only`);
    case 'secret':
      return Buffer.byteLength(key.secret) >= 32
        ? ok(CHECK, 'Verified with a shared secret, HS256 only')
        : warning(
            CHECK,
            'JWT_SECRET is shorter than 32 bytes',
            'Make a longer one, for example with "openssl rand -base64 48"',
          );
    case 'generated':
      return nodeEnv === 'production'
        ? warning(
            CHECK,
            'Verified with a secret that this installation made for itself',
            'Set JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL',
          )
        : ok(CHECK, 'Verified with a secret that this installation made for itself');
  }
}

async function checkJwks(url: string): Promise<Finding> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(JWKS_TIMEOUT_MS) });
    const body: unknown = await response.json();
    const keys =
      typeof body === 'object' && body !== null && 'keys' in body && Array.isArray(body.keys)
        ? body.keys
        : [];
    return response.ok && keys.length > 0
      ? ok(CHECK, `Verified with ${keys.length} keys of JWT_JWKS_URL, RS256 and ES256 only`)
      : problem(
          CHECK,
          `JWT_JWKS_URL answers ${response.status} with ${keys.length} keys`,
          'Check the URL with your identity provider',
        );
  } catch (error) {
    return problem(
      CHECK,
      `JWT_JWKS_URL cannot be read: ${reasonOf(error)}`,
      'Check the URL, and that this machine may reach it',
    );
  }
}

function checkClaims({ auth }: AppConfig): Finding {
  const open = [
    auth.issuer === null ? 'JWT_ISSUER' : null,
    auth.audience === null ? 'JWT_AUDIENCE' : null,
  ].filter((name) => name !== null);
  if (open.length === 0 || auth.key.kind === 'generated') {
    return ok(
      CHECK,
      open.length === 0 ? 'Issuer and audience are checked' : 'Tokens come from "npm run token"',
    );
  }
  return warning(
    CHECK,
    `${open.join(' and ')} not set: a token that the same provider issued for another application is accepted here`,
    `Set ${open.join(' and ')}`,
  );
}
