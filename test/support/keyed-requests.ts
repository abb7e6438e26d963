import type { ProblemBody } from '../../src/common/problem.filter.js';
import { tokenFor } from './tokens.js';

export interface RawAnswer<Body> {
  readonly status: number;
  readonly headers: Headers;
  /** The body exactly as it came. */
  readonly text: string;
  readonly body: Body;
}

/** Sends what an `Idempotency-Key` can be sent with, and keeps the bytes of the answers. */
export class KeyedRequests {
  constructor(
    private readonly baseUrl: string,
    private readonly subject: string,
  ) {}

  /** @param body a string is sent as it is */
  json<Body = ProblemBody>(path: string, body: unknown, key?: string): Promise<RawAnswer<Body>> {
    return this.post<Body>(path, typeof body === 'string' ? body : JSON.stringify(body), key, {
      'content-type': 'application/json',
    });
  }

  /** Every call draws a boundary of its own. */
  file<Body = ProblemBody>(
    bytes: Buffer,
    key?: string,
    { fileName = 'photo.jpg', mimeType = 'image/jpeg' } = {},
  ): Promise<RawAnswer<Body>> {
    const form = new FormData();
    form.set('file', new File([new Uint8Array(bytes)], fileName, { type: mimeType }));
    return this.post<Body>('/v1/media', form, key);
  }

  private async post<Body>(
    path: string,
    body: string | FormData,
    key: string | undefined,
    headers: Record<string, string> = {},
  ): Promise<RawAnswer<Body>> {
    const response = await fetch(`${this.baseUrl}${path}`, {
      method: 'POST',
      body,
      headers: {
        ...headers,
        authorization: `Bearer ${tokenFor(this.subject)}`,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
    });
    const text = await response.text();
    const parsed: Body = JSON.parse(text);
    return { status: response.status, headers: response.headers, text, body: parsed };
  }
}

/** In short what became of a request: its status, its code if it was refused, and whether the answer is an old one. */
export function outcome({ status, headers, body }: RawAnswer<unknown>): string {
  const code: unknown = typeof body === 'object' && body !== null && 'code' in body ? body.code : null;
  return [
    status,
    ...(status < 400 ? [] : [code]),
    ...(headers.has('idempotent-replayed') ? ['replayed'] : []),
  ].join(' ');
}
