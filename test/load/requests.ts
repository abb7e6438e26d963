import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';

/** Requests as they go over the wire, for clients that do not send them whole. */

const LINE = '\r\n';

export function getRequest(url: string | URL, headers: Record<string, string> = {}): string {
  const { pathname, search } = new URL(url, 'http://x');
  return head(`GET ${pathname}${search}`, headers);
}

/** A request whose headers never come to an end. */
export function endlessHead(): string {
  return `GET /v1/quota HTTP/1.1${LINE}Host: x${LINE}X-Slow: `;
}

export function jsonHead(token: string, contentLength: number): string {
  return head('POST /v1/media/uploads', {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': String(contentLength),
  });
}

/** Up to the first byte of the file. */
export function directUploadHead(token: string, contentLength: number): string {
  const part = [
    '--limit',
    'Content-Disposition: form-data; name="file"; filename="photo.jpg"',
    'Content-Type: image/jpeg',
    LINE,
  ].join(LINE);
  const request = head('POST /v1/media', {
    authorization: `Bearer ${token}`,
    'content-type': 'multipart/form-data; boundary=limit',
    'content-length': String(contentLength),
  });
  return `${request}${part}`;
}

export function putHead(ticket: UploadTicketDto, contentLength: number): string {
  const { pathname, search } = new URL(ticket.uploadUrl);
  return head(`PUT ${pathname}${search}`, {
    ...ticket.uploadHeaders,
    'content-length': String(contentLength),
  });
}

function head(target: string, headers: Record<string, string>): string {
  const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}${LINE}`);
  return `${target} HTTP/1.1${LINE}${lines.join('')}${LINE}`;
}
