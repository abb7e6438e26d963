import type { Readable } from 'node:stream';
import { PermanentFault } from './image/processing-fault.js';

/**
 * Takes in an original once. Its size is known and bounded by the upload limits; an object that has another one is not
 * the one that was confirmed.
 *
 * @returns bytes with an ArrayBuffer of their own, so that it can be handed over to a thread
 * @throws PermanentFault `size_mismatch`; whatever the stream fails with
 */
export async function readOriginal(stream: Readable, expectedBytes: number): Promise<Buffer<ArrayBuffer>> {
  let bytes: Buffer<ArrayBuffer> | null = null;
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer<ArrayBuffer>>) {
    if (length + chunk.length > expectedBytes) {
      stream.destroy();
      throw sizeMismatch(expectedBytes);
    }
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
  return bytes;
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
