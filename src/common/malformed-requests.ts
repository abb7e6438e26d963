import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { cutOffAfter } from './cut-off.js';
import { invalidPart, ProblemError } from './problem.js';
import { problemBody } from './problem.filter.js';

/** How long a client that has its answer may go on sending before it is cut off. */
const HANG_UP_MS = 2_000;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Answers what Node's HTTP parser refuses before there is a request (bad syntax, huge headers, too slow) in the same
 * form as every other error. The status is the parser's, the code is ours.
 */
export function answerMalformedRequests(server: Server): void {
  const latest = new WeakMap<Socket, Exchange>();
  const given = new WeakSet<Socket>();
  server.on('connection', (socket) => closeInPeace(socket, latest));
  server.prependListener('request', (request) => {
    request.url = pathOf(request.url ?? '/');
  });
  server.on('request', (request, response) => latest.set(request.socket, { request, response }));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
    } else if (!given.has(socket)) {
      given.add(socket);
      // The rest is taken, so that the answer arrives (see `closeInPeace`), but nobody can make sense of it any more.
      socket.removeAllListeners('data').on('data', () => undefined);
      refuseInTurn(socket, latest.get(socket), DETAILS[error.code ?? ''] ?? 'The request is not valid HTTP');
    }
  });
  // Without this, Node hangs up without a word.
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy()).resume();
    sayLast(socket, '404 Not Found', '/', new ProblemError('not_found', 'This is no proxy'));
  });
}

/**
 * A target may be a whole URL (RFC 9112, section 3.2.2), of which the path counts. What is none that can be understood
 * is sent to the root, where nothing is: Express itself would answer some of them, in HTML.
 */
function pathOf(target: string): string {
  if (target.startsWith('/')) {
    return target;
  }
  const url = /^https?:\/\//i.test(target) ? URL.parse(target) : null;
  return url === null ? '/' : url.pathname + url.search;
}

/**
 * Says no when it is the turn of what is refused. In front of the answer to an earlier request, or in the middle of it,
 * the client would take the one for the other.
 */
function refuseInTurn(socket: Socket, last: Exchange | undefined, detail: string): void {
  const refuse = (instance: string) =>
    sayLast(socket, '400 Bad Request', instance, invalidPart('request', detail));
  if (last === undefined) {
    refuse('/');
    return;
  }
  const { request, response } = last;
  if (!request.complete && !response.headersSent) {
    refuse(request.url?.split('?', 1)[0] ?? '/');
    return;
  }
  const goOn = () => {
    if (request.complete && !wasTheLast(response)) {
      refuse('/');
    } else {
      // It belongs to a request that has its answer, or comes after the one that was to be the last.
      socket.end();
    }
  };
  if (response.writableFinished) {
    goOn();
  } else {
    response.once('finish', goOn);
  }
}

function wasTheLast(response: ServerResponse): boolean {
  return !response.shouldKeepAlive || /\bclose\b/i.test(String(response.getHeader('connection')));
}

function sayLast(socket: Socket, statusLine: string, instance: string, problem: ProblemError): void {
  const body = JSON.stringify(problemBody(instance, problem));
  const headers = [
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`HTTP/1.1 ${statusLine}\r\n${headers.join('\r\n')}\r\n\r\n${body}`);
  cutOffAfter(socket, HANG_UP_MS);
}

/**
 * Closes a connection only when the client has sent all of its request, or after a while. Node closes it with the last
 * byte of the answer. What is under way then meets a closed socket, and the client gets a connection reset instead of
 * the answer (RFC 9112, section 9.6): a proxy that asks for `Connection: close` would make a 502 of an early refusal.
 */
function closeInPeace(socket: Socket, latest: WeakMap<Socket, Exchange>): void {
  const close = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    const request = latest.get(socket)?.request;
    if (request === undefined || request.complete) {
      close();
      return;
    }
    request.once('end', close);
    socket.end();
    cutOffAfter(socket, HANG_UP_MS);
  };
}

const DETAILS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: 'The headers are too large',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request took too long to arrive',
};
