import { createHash } from 'node:crypto';
import { CRC32C } from '@google-cloud/storage';
import { StorageFault } from './storage-fault.js';

/** What may be set on an object beside its bytes. */
export interface ObjectAttributes {
  readonly contentType?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly cacheControl?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface StoredObject {
  readonly bucket: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly generation: string;
  readonly timeCreated: string;
  readonly attributes: ObjectAttributes;
  /** Base64. */
  readonly md5: string;
  readonly crc32c: string;
}

export interface CorsRule {
  readonly origin: readonly string[];
  readonly method: readonly string[];
  readonly responseHeader?: readonly string[];
  readonly maxAgeSeconds?: number;
}

export interface IamPolicy {
  readonly etag: string;
  readonly bindings: readonly { readonly role: string; readonly members: readonly string[] }[];
}

/** The settings of a bucket as a client may send them. */
export interface BucketSettings {
  readonly location?: string;
  readonly cors?: readonly CorsRule[];
  readonly lifecycle?: object;
  readonly softDeletePolicy?: object;
  readonly versioning?: object;
  readonly iamConfiguration?: {
    readonly publicAccessPrevention?: 'enforced' | 'inherited';
    readonly uniformBucketLevelAccess?: { readonly enabled?: boolean };
  };
}

export interface StoredBucket {
  readonly name: string;
  metageneration: number;
  settings: BucketSettings;
  policy: IamPolicy;
  readonly objects: Map<string, StoredObject>;
}

/** The generation that a request is bound to: `0` stands for no object at all. */
export type Precondition = string | null;

/** Roles that let somebody read an object whose name they know; the second one lets them list all names as well. */
const READERS = ['roles/storage.legacyObjectReader', 'roles/storage.objectViewer'];

/** Buckets and objects in memory. Every operation is atomic, since none of them waits for anything. */
export class ObjectStore {
  private readonly buckets = new Map<string, StoredBucket>();
  private lastGeneration = BigInt(Date.now()) * 1000n;

  createBucket(name: string, settings: BucketSettings): StoredBucket {
    if (this.buckets.has(name)) {
      throw new StorageFault(409, 'BucketAlreadyOwnedByYou', 'conflict', 'You already own this bucket.');
    }
    const bucket: StoredBucket = {
      name,
      metageneration: 1,
      settings: { location: 'US', ...settings },
      policy: { etag: 'CAE=', bindings: [] },
      objects: new Map(),
    };
    this.buckets.set(name, bucket);
    return bucket;
  }

  bucket(name: string): StoredBucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) {
      throw StorageFault.noSuchBucket();
    }
    return bucket;
  }

  hasBucket(name: string): boolean {
    return this.buckets.has(name);
  }

  updateBucket(name: string, changes: BucketSettings, ifMetagenerationMatch: string | null): StoredBucket {
    const bucket = this.bucket(name);
    if (ifMetagenerationMatch !== null && ifMetagenerationMatch !== String(bucket.metageneration)) {
      throw StorageFault.preconditionFailed();
    }
    const iamConfiguration = { ...bucket.settings.iamConfiguration, ...changes.iamConfiguration };
    bucket.settings = { ...bucket.settings, ...changes, iamConfiguration };
    bucket.metageneration += 1;
    return bucket;
  }

  setPolicy(name: string, policy: IamPolicy): IamPolicy {
    const bucket = this.bucket(name);
    if (policy.etag !== bucket.policy.etag) {
      throw StorageFault.preconditionFailed();
    }
    const members = policy.bindings.flatMap((binding) => binding.members);
    const prevention = bucket.settings.iamConfiguration?.publicAccessPrevention;
    if (prevention === 'enforced' && members.includes('allUsers')) {
      throw StorageFault.preconditionFailed();
    }
    bucket.metageneration += 1;
    bucket.policy = { bindings: policy.bindings, etag: `CA${bucket.metageneration}=` };
    return bucket.policy;
  }

  /** How much of a bucket is open to everybody. */
  publicAccess(name: string): { readonly read: boolean; readonly list: boolean } {
    const { policy, settings } = this.bucket(name);
    const roles = new Set(
      policy.bindings.filter(({ members }) => members.includes('allUsers')).map(({ role }) => role),
    );
    const open = settings.iamConfiguration?.publicAccessPrevention !== 'enforced';
    return {
      read: open && READERS.some((role) => roles.has(role)),
      list: open && roles.has('roles/storage.objectViewer'),
    };
  }

  /** @param generation when given, the object must be of that generation */
  object(bucket: string, name: string, generation: string | null = null): StoredObject {
    const found = this.bucket(bucket).objects.get(name);
    if (found === undefined || (generation !== null && found.generation !== generation)) {
      throw StorageFault.noSuchObject(bucket, name);
    }
    return found;
  }

  write(
    bucket: string,
    name: string,
    bytes: Buffer,
    attributes: ObjectAttributes,
    precondition: Precondition,
  ): StoredObject {
    const { objects } = this.bucket(bucket);
    if (precondition !== null && (objects.get(name)?.generation ?? '0') !== precondition) {
      throw StorageFault.preconditionFailed();
    }
    const crc = new CRC32C();
    crc.update(bytes);
    this.lastGeneration += 1n;
    const object: StoredObject = {
      bucket,
      name,
      bytes,
      generation: String(this.lastGeneration),
      timeCreated: new Date().toISOString(),
      attributes,
      md5: createHash('md5').update(bytes).digest('base64'),
      crc32c: crc.toString(),
    };
    objects.set(name, object);
    return object;
  }

  delete(bucket: string, name: string, precondition: Precondition): void {
    const { generation } = this.object(bucket, name);
    if (precondition !== null && generation !== precondition) {
      throw StorageFault.preconditionFailed();
    }
    this.bucket(bucket).objects.delete(name);
  }
}
