import { sha256 } from '../support/api-client.js';
import { jpegBomb, photo, truncated } from '../support/images.js';

/** Something to upload. Each has a size of its own, so a row tells by its size which one it is about. */
export interface Picture {
  readonly bytes: Buffer;
  readonly hash: string;
}

export const MIME_TYPE = 'image/jpeg';

/** What the worker finds wrong with each picture, which looks right from outside; null: nothing. */
export const FAULTS: readonly (string | null)[] = [null, null, 'truncated', 'too_many_pixels'];

export async function makePictures(): Promise<Picture[]> {
  const pictures = [
    await photo(24, 18, 1),
    await photo(60, 40, 2),
    truncated(await photo(40, 30, 3), 0.9),
    jpegBomb(60_000, 60_000),
  ];
  return pictures.map((bytes) => ({ bytes, hash: sha256(bytes) }));
}

/** As many bytes as that picture has, and not of its type. */
export function otherBytes({ bytes }: Picture): Buffer {
  return Buffer.alloc(bytes.length, 'no picture at all, ');
}
