import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { PermanentFault } from './image/processing-fault.js';

export interface Original {
  readonly bytes: Buffer;
  /** Sha-256 in hex. */
  readonly contentHash: string;
}

/**
 * Takes in an original once, hashing on the way. Its size is known and bounded by the upload limits; an object that
 * has another one is not the one that was confirmed.
 *
 * @throws PermanentFault `size_mismatch`; whatever the stream fails with
 */
export async function readOriginal(stream: Readable, expectedBytes: number): Promise<Original> {
  const bytes = Buffer.allocUnsafe(expectedBytes);
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (length + chunk.length > expectedBytes) {
      stream.destroy();
      throw sizeMismatch(expectedBytes);
    }
    chunk.copy(bytes, length);
    length += chunk.length;
    hash.update(chunk);
  }
  if (length !== expectedBytes) {
    throw sizeMismatch(expectedBytes);
  }
  return { bytes, contentHash: hash.digest('hex') };
}

function sizeMismatch(expectedBytes: number): PermanentFault {
  return new PermanentFault(
    'size_mismatch',
    `The object does not have the ${expectedBytes} bytes of its file`,
  );
}
