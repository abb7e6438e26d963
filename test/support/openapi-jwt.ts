import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The public key as it would stand in an environment variable. */
  readonly pem: string;
}

export function rsaKey(kid = 'rsa'): SigningKey {
  return toSigningKey(kid, generateKeyPairSync('rsa', { modulusLength: 2048 }));
}

export function ecKey(kid = 'ec'): SigningKey {
  return toSigningKey(kid, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
}

function toSigningKey(kid: string, pair: { publicKey: KeyObject; privateKey: KeyObject }): SigningKey {
  return { kid, ...pair, pem: pair.publicKey.export({ format: 'pem', type: 'spki' }).toString() };
}

/** Signs the first two parts of a token; what comes out is its third part. */
export type Signer = (input: string) => Buffer | string;

export const unsigned: Signer = () => '';

export function hmac(secret: string | Buffer, hash = 'sha256'): Signer {
  return (input) => createHmac(hash, secret).update(input).digest();
}

export function rsa(key: SigningKey, hash = 'sha256'): Signer {
  return (input) => sign(hash, Buffer.from(input), key.privateKey);
}

export function ecdsa(key: SigningKey): Signer {
  return (input) => sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
}

/** A token made by hand, as no library would make it: any header over any payload under any signature. */
export function craftToken(header: object, payload: unknown, signer: Signer): string {
  const input = [header, payload].map((part) => encode(JSON.stringify(part))).join('.');
  return `${input}.${encode(signer(input))}`;
}

function encode(part: Buffer | string): string {
  return Buffer.from(part).toString('base64url');
}

export interface KeyServer {
  readonly url: string;
  /** How often the set has been read. */
  readonly reads: number;
  /** What is served from now on. */
  serve(...keys: SigningKey[]): void;
  /** Answers nobody from now on; `start` comes back at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** An identity provider, as far as its JWK set (RFC 7517) goes. */
export async function startKeyServer(...initial: SigningKey[]): Promise<KeyServer> {
  let served = initial;
  let reads = 0;
  const server = createServer((_request, response) => {
    reads += 1;
    const keys = served.map(({ kid, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
      use: 'sig',
    }));
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  const listen = async (port: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
    await promise;
  };
  await listen(0);
  const address = server.address();
  const port = isAddress(address) ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/.well-known/jwks.json`,
    get reads() {
      return reads;
    },
    serve: (...keys) => {
      served = keys;
    },
    start: () => listen(port),
    stop: async () => {
      server.closeAllConnections();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}

function isAddress(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
