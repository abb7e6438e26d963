import type { IncomingMessage } from 'node:http';

/** A rest of a body up to this many bytes is read to its end, so that the connection stays usable. */
const MAX_DISCARDED_BYTES = 1024 * 1024;

/** How long a client that is still sending has to read its answer. */
const MAX_DISCARD_MS = 2000;

/**
 * For a request that is answered before its body is read: throws a small rest away, reads no further when there is
 * more, and cuts the connection if the client has not finished after a while.
 *
 * A `Connection: close` would do none of it. Node then closes as soon as the answer is written, and the bytes that are
 * under way meet a closed socket: the client gets a connection reset instead of the answer (RFC 9112, section 9.6).
 */
export function discardBody(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) {
    return;
  }
  const deadline = setTimeout(() => request.destroy(), MAX_DISCARD_MS).unref();
  request.once('end', () => clearTimeout(deadline)).once('close', () => clearTimeout(deadline));
  let left = MAX_DISCARDED_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) {
      request.pause();
    }
  });
  request.resume();
}
