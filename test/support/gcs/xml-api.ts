import type { IncomingHttpHeaders } from 'node:http';
import { emptyReply, objectReply, type StorageReply, type StorageRequest } from './http-messages.js';
import type { CorsRule, ObjectStore } from './object-store.js';
import { StorageFault } from './storage-fault.js';
import { isSigned } from './v4-signature.js';

/** The XML API in path style: signed PUT, GET and HEAD of objects, public GET, and CORS. */
export class XmlApi {
  constructor(
    private readonly store: ObjectStore,
    private readonly verify: (request: StorageRequest) => void,
  ) {}

  async answer(request: StorageRequest): Promise<StorageReply> {
    const [, bucket = '', name = ''] = /^\/([^/]+)\/(.+)$/.exec(decodeURIComponent(request.path)) ?? [];
    if (request.method === 'OPTIONS') {
      return emptyReply(200, this.preflight(bucket, request.headers));
    }
    if (isSigned(request.query)) {
      this.verify(request);
    } else {
      this.requirePublic(request.method, bucket, name);
    }
    const cors = this.allowed(bucket, request.method, request.headers);
    switch (request.method) {
      case 'GET':
      case 'HEAD': {
        const reply = objectReply(this.store.object(bucket, name), request.headers);
        return { ...reply, headers: { ...reply.headers, ...cors } };
      }
      case 'PUT':
        return emptyReply(200, { ...(await this.put(request, bucket, name)), ...cors });
      default:
        throw new StorageFault(405, 'MethodNotAllowed', 'invalid', 'The method is not allowed here.');
    }
  }

  private requirePublic(method: string, bucket: string, name: string): void {
    const access = this.store.publicAccess(bucket);
    if (!access.read || (method !== 'GET' && method !== 'HEAD')) {
      throw StorageFault.accessDenied('Anonymous caller does not have access to the object.');
    }
    if (!access.list && !this.store.bucket(bucket).objects.has(name)) {
      // Who may not list the bucket is not told what is not in it.
      throw StorageFault.accessDenied('Anonymous caller does not have storage.objects.list access.');
    }
  }

  private async put(
    { headers, body }: StorageRequest,
    bucket: string,
    name: string,
  ): Promise<Record<string, string>> {
    const [least, most] = lengthRange(headers['x-goog-content-length-range']);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > most) {
        throw new StorageFault(400, 'EntityTooLarge', 'invalid', 'Your proposed upload is too large.');
      }
      chunks.push(chunk);
    }
    if (length < least) {
      throw new StorageFault(400, 'EntityTooSmall', 'invalid', 'Your proposed upload is too small.');
    }
    const precondition = headers['x-goog-if-generation-match'];
    const contentType = headers['content-type'];
    const object = this.store.write(
      bucket,
      name,
      Buffer.concat(chunks),
      {
        ...(contentType !== undefined && { contentType }),
        ...attributesOf(headers),
      },
      typeof precondition === 'string' ? precondition : null,
    );
    return {
      etag: `"${Buffer.from(object.md5, 'base64').toString('hex')}"`,
      'x-goog-generation': object.generation,
      'x-goog-hash': `crc32c=${object.crc32c},md5=${object.md5}`,
    };
  }

  private preflight(bucket: string, headers: IncomingHttpHeaders): Record<string, string> {
    const method = headers['access-control-request-method'] ?? '';
    const rule = this.corsRule(bucket, method, headers);
    const asked = (headers['access-control-request-headers'] ?? '')
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '');
    const allowed = new Set((rule?.responseHeader ?? []).map((name) => name.toLowerCase()));
    if (rule === undefined || !asked.every((name) => allowed.has(name))) {
      return {};
    }
    return {
      'access-control-allow-origin': headers.origin ?? '',
      'access-control-allow-methods': rule.method.join(','),
      'access-control-allow-headers': (rule.responseHeader ?? []).join(','),
      'access-control-max-age': String(rule.maxAgeSeconds ?? 3600),
    };
  }

  private allowed(bucket: string, method: string, headers: IncomingHttpHeaders): Record<string, string> {
    const rule = this.corsRule(bucket, method, headers);
    return rule === undefined
      ? {}
      : {
          'access-control-allow-origin': headers.origin ?? '',
          'access-control-expose-headers': (rule.responseHeader ?? []).join(','),
        };
  }

  private corsRule(bucket: string, method: string, { origin }: IncomingHttpHeaders): CorsRule | undefined {
    return (this.store.bucket(bucket).settings.cors ?? []).find(
      (rule) =>
        origin !== undefined &&
        (rule.origin.includes(origin) || rule.origin.includes('*')) &&
        rule.method.includes(method),
    );
  }
}

function lengthRange(header: string | string[] | undefined): [least: number, most: number] {
  if (header === undefined) {
    return [0, Infinity];
  }
  const [, least, most] = /^(\d+),(\d+)$/.exec(String(header)) ?? [];
  if (least === undefined || most === undefined) {
    throw StorageFault.malformedHeader('x-goog-content-length-range', 'Two lengths were expected.');
  }
  return [Number(least), Number(most)];
}

/** What an uploader may say about an object, signed or not. */
function attributesOf(headers: IncomingHttpHeaders): Record<string, string> {
  const named = {
    contentDisposition: headers['content-disposition'],
    contentEncoding: headers['content-encoding'],
    cacheControl: headers['cache-control'],
  };
  return Object.fromEntries(
    Object.entries(named).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
