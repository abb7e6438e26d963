import { createHash, createHmac, type KeyObject, verify } from 'node:crypto';
import { StorageFault } from './storage-fault.js';

/** A request that carries its authority in its URL. */
export interface SignedRequest {
  readonly method: string;
  /** With scheme, host and query, encoded as it was sent. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const SEVEN_DAYS = 604_800;
const RSA = 'GOOG4-RSA-SHA256';
const HMAC = 'GOOG4-HMAC-SHA256';
const REQUIRED = [
  'X-Goog-Algorithm',
  'X-Goog-Credential',
  'X-Goog-Date',
  'X-Goog-Expires',
  'X-Goog-SignedHeaders',
  'X-Goog-Signature',
] as const;

/** Whose signatures are good. */
export interface Account {
  readonly email: string;
  readonly publicKey: KeyObject;
  readonly hmacKey?: { readonly accessId: string; readonly secret: string };
}

type Parameters = Readonly<Record<(typeof REQUIRED)[number], string>>;

export function isSigned(query: URLSearchParams): boolean {
  return REQUIRED.some((name) => query.has(name));
}

/**
 * Checks a signature as Cloud Storage does, from its own reading of the request and nothing that the signer did.
 *
 * @param now milliseconds since 1970
 * @throws StorageFault
 */
export function verifySignature(request: SignedRequest, account: Account, now = Date.now()): void {
  const parameters = parametersOf(request);
  requireSignedHeaders(request, parameters['X-Goog-SignedHeaders'].split(';'));
  requireTime(parameters, now);
  const scope = scopeOf(parameters);
  const signer = signerOf(account, parameters['X-Goog-Algorithm']);
  if (signer === null || parameters['X-Goog-Credential'] !== `${signer.authorizer}/${scope}`) {
    throw mismatch('The credential is not that of a known account.');
  }
  const hex = parameters['X-Goog-Signature'];
  const signature = Buffer.from(hex, 'hex');
  if (!/^[0-9a-f]+$/.test(hex) || !signer.hasSigned(request, signature)) {
    throw mismatch(canonicalRequest(request));
  }
}

interface Signer {
  /** What the credential begins with. */
  readonly authorizer: string;
  hasSigned(request: SignedRequest, signature: Buffer): boolean;
}

/** Null when the account cannot sign like that. */
function signerOf({ email, publicKey, hmacKey }: Account, algorithm: string): Signer | null {
  if (algorithm === RSA) {
    return {
      authorizer: email,
      hasSigned: (request, signature) =>
        verify('RSA-SHA256', Buffer.from(stringToSign(request)), publicKey, signature),
    };
  }
  return hmacKey === undefined
    ? null
    : {
        authorizer: hmacKey.accessId,
        hasSigned: (request, signature) => signature.equals(hmacOf(request, hmacKey.secret)),
      };
}

/** "Signatures" in the documentation of Cloud Storage: the key for one day, one location and one service. */
function hmacOf(request: SignedRequest, secret: string): Buffer {
  const day = fold(`GOOG4${secret}`, parametersOf(request)['X-Goog-Date'].slice(0, 8));
  const service = fold(fold(day, 'auto'), 'storage');
  return fold(fold(service, 'goog4_request'), stringToSign(request));
}

function fold(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

export function stringToSign(request: SignedRequest): string {
  const parameters = parametersOf(request);
  const hash = createHash('sha256').update(canonicalRequest(request)).digest('hex');
  return [parameters['X-Goog-Algorithm'], parameters['X-Goog-Date'], scopeOf(parameters), hash].join('\n');
}

export function canonicalRequest(request: SignedRequest): string {
  const url = new URL(request.url);
  const signedHeaders = parametersOf(request)['X-Goog-SignedHeaders'];
  // Without the port: that is how the documentation and all clients do it.
  const headers: SignedRequest['headers'] = { ...request.headers, host: url.hostname };
  return [
    request.method,
    url.pathname,
    canonicalQuery(url.searchParams),
    ...signedHeaders.split(';').map((name) => `${name}:${canonicalValue(headers[name] ?? '')}`),
    '',
    signedHeaders,
    headers['x-goog-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  ].join('\n');
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== 'X-Goog-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
    .map((pair) => pair.join('='))
    .join('&');
}

function canonicalValue(value: string): string {
  return value.trim().split(/\s+/).join(' ');
}

function encode(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

function parametersOf({ url }: SignedRequest): Parameters {
  const query = new URL(url).searchParams;
  const read = (name: (typeof REQUIRED)[number]) => {
    const values = query.getAll(name);
    if (values.length !== 1 || !values[0]) {
      throw new StorageFault(
        400,
        'AuthenticationRequired',
        'required',
        `Authentication required: ${name} is missing`,
      );
    }
    return values[0];
  };
  return {
    'X-Goog-Algorithm': read('X-Goog-Algorithm'),
    'X-Goog-Credential': read('X-Goog-Credential'),
    'X-Goog-Date': read('X-Goog-Date'),
    'X-Goog-Expires': read('X-Goog-Expires'),
    'X-Goog-SignedHeaders': read('X-Goog-SignedHeaders'),
    'X-Goog-Signature': read('X-Goog-Signature'),
  };
}

function requireSignedHeaders({ headers }: SignedRequest, signed: readonly string[]): void {
  if (!signed.includes('host') || signed.join() !== signed.toSorted().join()) {
    throw StorageFault.malformedHeader(
      'host',
      'Signed headers must be sorted, and host must be one of them.',
    );
  }
  for (const name of signed) {
    if (headers[name] === undefined) {
      throw StorageFault.malformedHeader(
        name,
        'Header was included in signedheaders, but not in the request.',
      );
    }
  }
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-goog-') && !signed.includes(name)) {
      throw StorageFault.malformedHeader(
        name,
        'Header was included in the request, but not in signedheaders.',
      );
    }
  }
}

function requireTime(parameters: Parameters, now: number): void {
  const date = parameters['X-Goog-Date'];
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const start = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const seconds = Number(parameters['X-Goog-Expires']);
  if (
    ![RSA, HMAC].includes(parameters['X-Goog-Algorithm']) ||
    Number.isNaN(start) ||
    !/^\d+$/.test(parameters['X-Goog-Expires']) ||
    seconds < 1 ||
    seconds > SEVEN_DAYS
  ) {
    throw StorageFault.invalid('Invalid signed URL: algorithm, date or expiry.');
  }
  if (now < start) {
    throw new StorageFault(403, 'AccessDenied', 'forbidden', 'Request is not valid yet.');
  }
  if (now >= start + seconds * 1000) {
    throw new StorageFault(400, 'ExpiredToken', 'invalid', 'The provided token has expired.');
  }
}

function scopeOf(parameters: Parameters): string {
  return `${parameters['X-Goog-Date'].slice(0, 8)}/auto/storage/goog4_request`;
}

function mismatch(details: string): StorageFault {
  return new StorageFault(403, 'SignatureDoesNotMatch', 'forbidden', 'Access denied.', details);
}
