import { createHash } from 'node:crypto';
import { buffer, text } from 'node:stream/consumers';
import {
  emptyReply,
  jsonReply,
  objectReply,
  type StorageReply,
  type StorageRequest,
} from './http-messages.js';
import { parseMultipartRelated } from './multipart-related.js';
import type {
  BucketSettings,
  IamPolicy,
  ObjectAttributes,
  ObjectStore,
  StoredBucket,
  StoredObject,
} from './object-store.js';
import { StorageFault } from './storage-fault.js';

interface UploadMetadata extends ObjectAttributes {
  readonly md5Hash?: string;
}

interface Rewrite {
  readonly attributes: ObjectAttributes;
  readonly precondition: string | null;
  callsLeft: number;
}

type Handler = (request: StorageRequest, ...names: string[]) => StorageReply | Promise<StorageReply>;

/** The JSON API, version 1: the part of it that Mediadock uses. */
export class JsonApi {
  /** How many calls it takes to copy an object; more than one for large ones between locations. */
  callsPerRewrite = 1;
  private readonly rewrites = new Map<string, Rewrite>();
  private readonly routes: readonly (readonly [method: string, path: RegExp, handler: Handler])[];

  constructor(
    private readonly store: ObjectStore,
    private readonly requireToken: (request: StorageRequest) => void,
  ) {
    const bucket = '/storage/v1/b/([^/]+)';
    const object = `${bucket}/o/([^/]+)`;
    this.routes = [
      ['POST', /^\/storage\/v1\/b$/, (request) => this.createBucket(request)],
      ['GET', whole(bucket), (_, name) => jsonReply(describeBucket(store.bucket(name ?? '')))],
      ['PATCH', whole(bucket), (request, name) => this.patchBucket(request, name)],
      ['GET', whole(`${bucket}/iam`), (_, name) => jsonReply(store.bucket(name ?? '').policy)],
      ['PUT', whole(`${bucket}/iam`), (request, name) => this.setPolicy(request, name)],
      ['GET', whole(object), (request, ...names) => this.getObject(request, ...names)],
      ['DELETE', whole(object), (request, ...names) => this.deleteObject(request, ...names)],
      [
        'POST',
        whole(`${object}/rewriteTo/b/([^/]+)/o/([^/]+)`),
        (request, ...names) => this.rewrite(request, ...names),
      ],
      ['POST', whole(`/upload${bucket}/o`), (request, name) => this.upload(request, name)],
    ];
  }

  async answer(request: StorageRequest): Promise<StorageReply> {
    for (const [method, path, handler] of this.routes) {
      const match = path.exec(request.path);
      if (match !== null && method === request.method) {
        this.requireToken(request);
        return handler(request, ...match.slice(1).map(decodeURIComponent));
      }
    }
    throw new StorageFault(404, 'NotFound', 'notFound', `No such method: ${request.method} ${request.path}`);
  }

  private async createBucket(request: StorageRequest): Promise<StorageReply> {
    if (!request.query.get('project')) {
      throw StorageFault.invalid('Required parameter: project');
    }
    const content: BucketSettings & { readonly name: string } = JSON.parse(await text(request.body));
    const { name, ...settings } = content;
    return jsonReply(describeBucket(this.store.createBucket(name, settings)));
  }

  private async patchBucket(request: StorageRequest, name = ''): Promise<StorageReply> {
    const changes: BucketSettings = JSON.parse(await text(request.body));
    const precondition = request.query.get('ifMetagenerationMatch');
    return jsonReply(describeBucket(this.store.updateBucket(name, changes, precondition)));
  }

  private async setPolicy(request: StorageRequest, name = ''): Promise<StorageReply> {
    const policy: IamPolicy = JSON.parse(await text(request.body));
    return jsonReply(this.store.setPolicy(name, policy));
  }

  private getObject({ query, headers }: StorageRequest, bucket = '', name = ''): StorageReply {
    const object = this.store.object(bucket, name, query.get('generation'));
    return query.get('alt') === 'media' ? objectReply(object, headers) : jsonReply(describeObject(object));
  }

  private deleteObject({ query }: StorageRequest, bucket = '', name = ''): StorageReply {
    this.store.delete(bucket, name, query.get('ifGenerationMatch'));
    return emptyReply(204);
  }

  private async upload(request: StorageRequest, bucket = ''): Promise<StorageReply> {
    const name = request.query.get('name');
    if (request.query.get('uploadType') !== 'multipart' || name === null) {
      throw StorageFault.invalid('Only multipart uploads are spoken here');
    }
    const body = await buffer(request.body);
    const [head, content] = parseMultipartRelated(body, request.headers['content-type'] ?? '');
    const metadata: UploadMetadata = JSON.parse(head.body.toString());
    const { md5Hash, ...attributes } = metadata;
    if (md5Hash !== undefined && md5Hash !== createHash('md5').update(content.body).digest('base64')) {
      throw StorageFault.invalid(`Provided MD5 hash "${md5Hash}" doesn't match calculated MD5 hash`);
    }
    const precondition = request.query.get('ifGenerationMatch');
    const described = { contentType: content.contentType, ...attributes };
    return jsonReply(describeObject(this.store.write(bucket, name, content.body, described, precondition)));
  }

  private async rewrite(
    { query, body }: StorageRequest,
    fromBucket = '',
    fromName = '',
    toBucket = '',
    toName = '',
  ): Promise<StorageReply> {
    const source = this.store.object(fromBucket, fromName, query.get('sourceGeneration'));
    const given: ObjectAttributes = JSON.parse(await text(body));
    const token = query.get('rewriteToken');
    const rewrite = token === null ? this.beginRewrite(source, given, query) : this.rewrites.get(token);
    if (rewrite === undefined) {
      throw StorageFault.invalid('Invalid rewrite token');
    }
    rewrite.callsLeft -= 1;
    const progress = { kind: 'storage#rewriteResponse', objectSize: String(source.bytes.length) };
    if (rewrite.callsLeft > 0) {
      const next = token ?? `rewrite-${this.rewrites.size + 1}`;
      this.rewrites.set(next, rewrite);
      return jsonReply({ ...progress, done: false, rewriteToken: next });
    }
    const { attributes, precondition } = rewrite;
    const resource = describeObject(
      this.store.write(toBucket, toName, source.bytes, attributes, precondition),
    );
    return jsonReply({ ...progress, done: true, resource });
  }

  private beginRewrite(source: StoredObject, given: ObjectAttributes, query: URLSearchParams): Rewrite {
    const { contentType, contentDisposition, contentEncoding, cacheControl, metadata } = given;
    const described = { contentType, contentDisposition, contentEncoding, cacheControl, metadata };
    const attributes = Object.fromEntries(
      Object.entries(described).filter(([, value]) => value !== undefined),
    );
    return {
      // Metadata in the request replaces that of the source; it is not merged.
      attributes: Object.keys(attributes).length > 0 ? attributes : source.attributes,
      precondition: query.get('ifGenerationMatch'),
      callsLeft: this.callsPerRewrite,
    };
  }
}

function whole(path: string): RegExp {
  return new RegExp(`^${path}$`);
}

function describeBucket({ name, metageneration, settings }: StoredBucket): object {
  return { kind: 'storage#bucket', id: name, name, metageneration: String(metageneration), ...settings };
}

/** Sizes and generations are strings. */
function describeObject(object: StoredObject): object {
  const { bucket, name, bytes, generation, timeCreated, attributes, md5, crc32c } = object;
  return {
    kind: 'storage#object',
    bucket,
    name,
    generation,
    metageneration: '1',
    size: String(bytes.length),
    md5Hash: md5,
    crc32c,
    timeCreated,
    ...attributes,
  };
}
