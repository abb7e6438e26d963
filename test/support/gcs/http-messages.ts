import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import type { StoredObject } from './object-store.js';
import { StorageFault } from './storage-fault.js';

/** A request as it came, its body still on the way. */
export interface StorageRequest {
  readonly method: string;
  /** Encoded as it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

export interface StorageReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export function jsonReply(content: unknown, status = 200): StorageReply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: Buffer.from(JSON.stringify(content)),
  };
}

export function emptyReply(status: number, headers: Readonly<Record<string, string>> = {}): StorageReply {
  return { status, headers, body: Buffer.alloc(0) };
}

/** The bytes of an object, or the range of them that was asked for, as both APIs send them. */
export function objectReply(object: StoredObject, headers: IncomingHttpHeaders): StorageReply {
  const { attributes, generation, md5, crc32c } = object;
  const described: Record<string, string> = {
    'content-type': attributes.contentType ?? 'application/octet-stream',
    'x-goog-generation': generation,
    'x-goog-hash': `crc32c=${crc32c},md5=${md5}`,
    'x-goog-stored-content-encoding': attributes.contentEncoding ?? 'identity',
    'x-goog-stored-content-length': String(object.bytes.length),
    etag: `"${Buffer.from(md5, 'base64').toString('hex')}"`,
    'accept-ranges': 'bytes',
  };
  for (const [name, value] of [
    ['cache-control', attributes.cacheControl],
    ['content-disposition', attributes.contentDisposition],
    ...Object.entries(attributes.metadata ?? {}).map(([key, own]) => [`x-goog-meta-${key}`, own]),
  ]) {
    if (name !== undefined && value !== undefined) {
      described[name] = value;
    }
  }
  if (attributes.contentEncoding === 'gzip' && !/\bgzip\b/.test(headers['accept-encoding'] ?? '')) {
    // "Transcoding of gzip-compressed files": whoever does not say that they understand gzip gets it unpacked.
    return { status: 200, headers: described, body: gunzipSync(object.bytes) };
  }
  if (attributes.contentEncoding !== undefined) {
    described['content-encoding'] = attributes.contentEncoding;
  }
  return rangeOf(object.bytes, headers.range, described);
}

function rangeOf(
  bytes: Buffer,
  range: string | undefined,
  headers: Readonly<Record<string, string>>,
): StorageReply {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (from === undefined) {
    return { status: 200, headers, body: bytes };
  }
  if (Number(from) >= bytes.length) {
    throw StorageFault.invalidRange();
  }
  const end = Math.min(to === undefined || to === '' ? Infinity : Number(to), bytes.length - 1);
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${from}-${end}/${bytes.length}` },
    body: bytes.subarray(Number(from), end + 1),
  };
}
