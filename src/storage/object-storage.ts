import type { Readable } from 'node:stream';

/**
 * Where an object lives. `uploads` is private and holds what clients put with a signed URL, unverified;
 * `media` holds what was verified, and its derivatives.
 */
export type StorageArea = 'uploads' | 'media';

/** What the storage itself measured about an object. Nothing here comes from the client unchecked. */
export interface ObjectStat {
  /** Bytes. */
  readonly size: number;
  /** Opaque version of the bytes: another upload to the same key has another generation. */
  readonly generation: string;
}

/** The beginning of an object, and what the object measures that it is the beginning of. */
export interface ObjectHead extends ObjectStat {
  /** The first bytes. */
  readonly bytes: Buffer;
}

/** How an object is served. */
export interface ObjectMetadata {
  readonly contentType: string;
  /** The client's own name for the file, sanitised; becomes the `Content-Disposition` (RFC 6266). */
  readonly originalFileName: string;
}

/** Everything a signed PUT is bound to. */
export interface SignedUploadRequest {
  readonly key: string;
  readonly contentType: string;
  /** Exact length in bytes: not one less, not one more. */
  readonly contentLength: number;
  readonly expiresAt: Date;
}

export interface SignedUpload {
  readonly url: string;
  /** The client must send these headers exactly as given; they are part of the signature. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The storage port: what Mediadock asks of an object store, and nothing vendor-specific.
 *
 * Errors, for every verb: `StorageUnavailableError` when the store did not answer or answered that it cannot
 * now (safe to repeat), `InvalidObjectKeyError` for a key that no server-made key can be. Verbs that need an
 * object throw `ObjectNotFoundError` when it is not there; the ones that do not say so below.
 */
export abstract class ObjectStorage {
  /** The bucket's name, as shown in `storageBucket`. */
  abstract bucketOf(area: StorageArea): string;

  /** Signs a PUT into the uploads area that cannot overwrite, outgrow its length, change type or outlive its expiry. */
  abstract signUpload(request: SignedUploadRequest): Promise<SignedUpload>;

  /** Answers null when there is no such object. */
  abstract stat(area: StorageArea, key: string): Promise<ObjectStat | null>;

  /** The first `length` bytes, or fewer when the object is shorter; size and generation are those of the very same bytes. */
  abstract readHead(area: StorageArea, key: string, length: number): Promise<ObjectHead>;

  /** The whole object as a stream; an error after the first byte surfaces on the stream as `StorageUnavailableError`. */
  abstract openRead(area: StorageArea, key: string): Promise<Readable>;

  /**
   * Copies exactly that generation of an upload to the same key in the media area, on the server's side.
   * The upload stays, so that its URL cannot be used again. Promoting what is promoted already does nothing.
   * `ObjectNotFoundError` when that generation is gone or was replaced.
   */
  abstract promote(key: string, generation: string, metadata: ObjectMetadata): Promise<void>;

  /** Writes a whole object into the media area, replacing what is there: visible in full, or not at all. */
  abstract put(key: string, body: Buffer, metadata: ObjectMetadata): Promise<void>;

  /**
   * Idempotent: no error when there is no such object.
   *
   * @param generation leaves alone what has replaced the object of this generation meanwhile
   */
  abstract delete(area: StorageArea, key: string, generation?: string): Promise<void>;

  /**
   * Removes an upload, if there is one, and keeps its place: `stat` and `readHead` find nothing there, and a signed PUT is
   * refused as when there is an upload. Lasts until the upload is deleted, in any generation. Idempotent.
   */
  abstract seal(key: string): Promise<void>;

  /**
   * A URL from which a browser can read an object of the media area: plain with `STORAGE_ACCESS=public`, signed
   * and short-lived with `private`. Does not check that the object exists.
   */
  abstract readUrl(key: string): Promise<string>;

  /**
   * Removes what no row knows of and no request can still be writing: half-written files of killed processes, uploads
   * that arrived after their row was swept. Where the store does that by a rule of its own, there is nothing to do.
   *
   * @returns how many objects went
   */
  abstract removeAbandoned(olderThan: Date): Promise<number>;

  /** Resolves when both areas answer; for health checks. */
  abstract check(): Promise<void>;
}
