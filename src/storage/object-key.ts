import { InvalidObjectKeyError } from './storage.errors.js';

/** The derivatives made of an image, by the suffix of their keys. */
export type DerivativeVariant = 'thumbnail' | 'medium';

export interface OriginalKeyParts {
  /** UUID of the user's profile. */
  readonly userId: string;
  readonly mediaType: 'image' | 'video' | 'audio';
  /** Year and month are taken in UTC. */
  readonly createdAt: Date;
  /** UUID of the media file. */
  readonly mediaFileId: string;
  /** Without the dot; follows from the MIME type, never from the client's name for the file. */
  readonly extension: string;
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const STEM = `users/${UUID}/(?:image|video|audio)/\\d{4}/(?:0[1-9]|1[0-2])/${UUID}`;
const ORIGINAL = new RegExp(String.raw`^${STEM}\.[a-z0-9]{1,5}$`);
const OBJECT = new RegExp(String.raw`^${STEM}(?:\.[a-z0-9]{1,5}|_(?:thumbnail|medium)\.webp)$`);

/**
 * Where the original of a media file lives, in both areas: `users/<userId>/<mediaType>/<yyyy>/<mm>/<fileId>.<ext>`.
 *
 * @throws InvalidObjectKeyError when a part could not stand in a key
 */
export function originalKey({
  userId,
  mediaType,
  createdAt,
  mediaFileId,
  extension,
}: OriginalKeyParts): string {
  const year = String(createdAt.getUTCFullYear()).padStart(4, '0');
  const month = String(createdAt.getUTCMonth() + 1).padStart(2, '0');
  const key = `users/${userId}/${mediaType}/${year}/${month}/${mediaFileId}.${extension}`;
  assertObjectKey(key);
  return key;
}

/**
 * Where a derivative lives: beside its original, as `<fileId>_<variant>.webp`.
 *
 * @throws InvalidObjectKeyError when `original` is not the key of an original
 */
export function derivativeKey(original: string, variant: DerivativeVariant): string {
  if (!ORIGINAL.test(original)) {
    throw new InvalidObjectKeyError();
  }
  return `${original.slice(0, original.lastIndexOf('.'))}_${variant}.webp`;
}

/**
 * Lets only those keys pass that the functions above make. Every character of such a key stands for itself in a
 * URL and in a path, so nothing has to be escaped after this check, and nothing can climb out of a folder.
 *
 * @throws InvalidObjectKeyError
 */
export function assertObjectKey(key: string): void {
  if (!OBJECT.test(key)) {
    throw new InvalidObjectKeyError();
  }
}
