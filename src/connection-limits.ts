import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { cutOffAfter } from './common/cut-off.js';

const MAX_HEADERS = 64;
const HEADERS_TIMEOUT_MS = 20_000;
/** A PUT of the largest file at 300 Kbit/s; `LEFTOVERS_GRACE_SECONDS` is longer on purpose. */
const REQUEST_TIMEOUT_MS = 300_000;
/** How often Node looks for requests that take too long. Its own 30 s would make up to 50 out of the 20 for headers. */
const CHECK_INTERVAL_MS = 1_000;
/** In the middle of a request or its answer: a client that has stopped reading would keep a file open for ever. */
const STANDSTILL_TIMEOUT_MS = 300_000;
/** Longer than load balancers keep an idle connection (Google's: 600 s): they, not we, decide when one is over. */
const KEEP_ALIVE_TIMEOUT_MS = 620_000;

/** An idle one takes some 30 kB. */
const MAX_CONNECTIONS = 10_000;
/** Descriptors for everything that is no connection of a client: database, Redis, log, libraries. */
const OWN_DESCRIPTORS = 200;
const FULL_WARNING_MS = 60_000;

/** From the moment that a request was too slow, or turned out to be none: its connection is not good for anything more. */
const CUT_OFF_MS = 10_000;
/** Requests of one connection that came before the answer to the one before them (RFC 9112, section 9.3.2). */
const MAX_WAITING = 16;

/** Slow and greedy clients end at these limits (security checklist, line 26). */
export function limitConnections(server: Server): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.timeout = STANDSTILL_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = connectionsWithin(openFilesLimit());
  // An option of `createServer` that Nest does not pass on; Node reads it when it begins to listen.
  Object.assign(server, { connectionsCheckingInterval: CHECK_INTERVAL_MS });
  warnWhenFull(server);
  // Whoever answers ends our half of the connection at most, when it is the turn of that answer. Who just goes on sending,
  // or does not take what comes before it, would never be cut off.
  server.on('clientError', (_error, socket: Socket) => cutOffAfter(socket, CUT_OFF_MS));
}

/**
 * As many connections as can each have a file open. Beyond that, new ones are refused; without it they would be taken,
 * and the descriptors would be missing where files are opened for those that are there already.
 */
export function connectionsWithin(openFiles: number): number {
  return Math.max(1, Math.min(MAX_CONNECTIONS, Math.floor((openFiles - OWN_DESCRIPTORS) / 2)));
}

/**
 * Starts a request only when the one before it on its connection has been answered.
 *
 * Node starts all that have come at once, hundreds in one packet. When the client then goes away, it tells only the first
 * of them: the answers of the others are never closed, and what they have opened stays open.
 */
export function oneRequestAtATime(): (request: Request, response: Response, next: NextFunction) => void {
  const lines = new WeakMap<Socket, NextFunction[]>();
  return ({ socket }, response, next) => {
    const line = lines.get(socket);
    if (line !== undefined && line.length === MAX_WAITING) {
      socket.destroy();
      return;
    }
    response.once('close', () => startNext(socket));
    if (line === undefined) {
      lines.set(socket, []);
      next();
    } else {
      line.push(next);
    }
  };

  function startNext(socket: Socket): void {
    const start = socket.destroyed ? undefined : lines.get(socket)?.shift();
    if (start === undefined) {
      lines.delete(socket);
    } else {
      start();
    }
  }
}

function warnWhenFull(server: Server): void {
  const logger = new Logger('Connections');
  let warnedAt = -Infinity;
  server.on('drop', () => {
    if (performance.now() - warnedAt > FULL_WARNING_MS) {
      warnedAt = performance.now();
      logger.warn(`All ${server.maxConnections} connections are taken: new ones are refused`);
    }
  });
}

/** What `ulimit -n` says, as far as a process can look that up. */
function openFilesLimit(): number {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return Number(found ?? Infinity);
  } catch {
    return Infinity;
  }
}
