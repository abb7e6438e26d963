import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { PROBLEMS } from './problem.js';

/**
 * Answers what Node's HTTP parser refuses before there is a request (bad syntax, huge headers, too slow) in the same
 * form as every other error. The status is the parser's, the code is ours.
 */
export function answerMalformedRequests(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const body = JSON.stringify({
      type: 'urn:mediadock:problem:validation_failed',
      title: PROBLEMS.validation_failed.title,
      status: PROBLEMS.validation_failed.status,
      detail: DETAILS[error.code ?? ''] ?? 'The request is not valid HTTP',
      instance: '/',
      code: 'validation_failed',
    });
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
}

const DETAILS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: 'The headers are too large',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request took too long to arrive',
};
