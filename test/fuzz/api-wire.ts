import { connect } from 'node:net';
import { readAnswers, type Reading } from './api-answers.js';

/**
 * Who ends the conversation. `server`: it has to answer all requests, and to close then. `client`: we end our side
 * with the last byte, so there may be no answer at all. `either`: what was sent may or may not be all of it, so we
 * end our side when nothing comes for a while.
 */
export type Ending = 'server' | 'client' | 'either';

/** Bytes for one connection. */
export interface Shot {
  readonly bytes: Buffer;
  /** Of the requests in them, in their order. */
  readonly methods: readonly string[];
  readonly ending: Ending;
}

export interface Exchange extends Reading {
  /** As the server sent it. */
  readonly received: Buffer;
  readonly milliseconds: number;
  /** What the connection ended with, when not in peace. */
  readonly fault: string | null;
  /** Whether we were the first to have no more to say. */
  readonly endedByUs: boolean;
}

/** An answer that takes longer never comes. */
const GIVE_UP_MS = 45_000;
const SILENCE_MS = 300;

/** Sends the bytes over a connection of its own, and listens until the server closes it. */
export function exchange(port: number, { bytes, methods, ending }: Shot): Promise<Exchange> {
  const started = performance.now();
  const pieces: Buffer[] = [];
  let fault: string | null = null;
  let answered = 0;
  let endedByUs = ending === 'client';
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const giveUp = setTimeout(() => {
    fault = answered < methods.length ? 'no end of the answer' : null;
    socket.destroy();
  }, GIVE_UP_MS);
  const silence = () => {
    if (ending === 'either' && bytes.length === socket.bytesWritten) {
      endedByUs = true;
      socket.end();
    }
  };

  socket.write(bytes);
  if (ending === 'client') {
    socket.end();
  }
  socket.setTimeout(SILENCE_MS, silence);
  socket.on('data', (piece) => {
    pieces.push(piece);
    const { answers } = readAnswers(Buffer.concat(pieces), methods, false);
    answered = answers.length;
    if (answered >= methods.length) {
      // A connection that the server would keep open has no further use.
      socket.end();
    }
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fault = error.code ?? error.message;
  });
  socket.once('end', () => socket.destroy());
  socket.once('close', () => {
    clearTimeout(giveUp);
    const received = Buffer.concat(pieces);
    resolve({
      ...readAnswers(received, methods, true),
      received,
      fault,
      endedByUs,
      milliseconds: performance.now() - started,
    });
  });
  return promise;
}
