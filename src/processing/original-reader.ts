import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { PermanentFault } from './image/processing-fault.js';

export interface Original {
  /** With an ArrayBuffer of its own, so that it can be handed over to a thread. */
  readonly bytes: Buffer<ArrayBuffer>;
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
  const hash = createHash('sha256');
  let bytes: Buffer<ArrayBuffer> | null = null;
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer<ArrayBuffer>>) {
    if (length + chunk.length > expectedBytes) {
      stream.destroy();
      throw sizeMismatch(expectedBytes);
    }
    hash.update(chunk);
    if (bytes === null && isWhole(chunk, expectedBytes)) {
      bytes = chunk;
    } else {
      bytes ??= Buffer.allocUnsafeSlow(expectedBytes);
      chunk.copy(bytes, length);
    }
    length += chunk.length;
  }
  if (bytes === null || length !== expectedBytes) {
    throw sizeMismatch(expectedBytes);
  }
  return { bytes, contentHash: hash.digest('hex') };
}

/** All of it in one piece, with no other buffer in the same memory: it need not be copied. */
function isWhole({ length, buffer }: Buffer<ArrayBuffer>, expectedBytes: number): boolean {
  return length === expectedBytes && buffer.byteLength === expectedBytes;
}

function sizeMismatch(expectedBytes: number): PermanentFault {
  return new PermanentFault(
    'size_mismatch',
    `The object does not have the ${expectedBytes} bytes of its file`,
  );
}
