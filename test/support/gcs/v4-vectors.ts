import vectors from './v4-signatures.json' with { type: 'json' };

/** One of Google's published cases of a V4 signature. */
export interface V4Vector {
  readonly description: string;
  readonly method: string;
  /** ISO 8601. */
  readonly timestamp: string;
  /** Seconds. */
  readonly expiration: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly queryParameters?: Readonly<Record<string, string>>;
  readonly expectedUrl: string;
  readonly expectedCanonicalRequest: string;
  readonly expectedStringToSign: string;
}

/** The account that signed them all. */
export const V4_VECTORS_EMAIL = vectors.email;
/** PEM. */
export const V4_VECTORS_PUBLIC_KEY = vectors.publicKey;
export const V4_VECTORS: readonly V4Vector[] = vectors.cases.map(
  ({ headers, queryParameters, ...vector }) => ({
    ...vector,
    ...(headers !== undefined && { headers: defined(headers) }),
    ...(queryParameters !== undefined && { queryParameters: defined(queryParameters) }),
  }),
);

/** Each case has headers of its own, and the compiler gives each of them to all. */
function defined(members: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
