import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultEffect, Faults } from './faults.js';
import { GoogleIdentity } from './google-identity.js';
import { jsonReply, type StorageReply, type StorageRequest } from './http-messages.js';
import { JsonApi } from './json-api.js';
import { ObjectStore } from './object-store.js';
import { StorageFault } from './storage-fault.js';
import { verifySignature } from './v4-signature.js';
import { XmlApi } from './xml-api.js';

const JSON_API = /^\/(?:upload\/)?storage\/v1\//;

/**
 * Cloud Storage on this machine, over real HTTP: strict where emulators are lenient. It verifies every signature,
 * expiry, signed header and precondition, and fails on demand.
 */
export class GcsServer {
  readonly store = new ObjectStore();
  readonly identity = new GoogleIdentity();
  readonly faults = new Faults();
  readonly json: JsonApi;
  /** Method and path of every request that came, in order. */
  readonly requests: string[] = [];
  /** How many requests are neither answered in full nor cut off. */
  underWay = 0;
  private readonly xml: XmlApi;
  private readonly server: Server;
  private port = 0;

  /** @param requiresTokens whether the JSON API turns away who brings no token; an emulator would not */
  constructor(requiresTokens = false) {
    this.json = new JsonApi(this.store, (request) => {
      if (requiresTokens) {
        this.identity.requireToken(request);
      }
    });
    this.xml = new XmlApi(this.store, (request) => this.verify(request));
    this.server = createServer((request, response) => void this.handle(request, response));
    // Tests decide when a connection ends.
    this.server.requestTimeout = 0;
    this.server.keepAliveTimeout = 0;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts to listen; after `down`, on the same port as before. */
  async up(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, '127.0.0.1', resolve);
    });
    const address = this.server.address();
    if (address === null || typeof address === 'string') {
      throw new Error('A listening TCP server has a port');
    }
    this.port = address.port;
  }

  /** Cuts all connections and refuses new ones; keeps what is stored. */
  async down(): Promise<void> {
    if (this.server.listening) {
      await new Promise((resolve) => {
        this.server.close(resolve);
        this.server.closeAllConnections();
      });
    }
  }

  private async handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', this.origin);
    const { method = 'GET', headers } = message;
    const request = { method, path: url.pathname, query: url.searchParams, headers, body: message };
    this.requests.push(`${method} ${url.pathname}`);
    this.underWay += 1;
    response.once('close', () => (this.underWay -= 1));
    const effect = this.faults.take(request);
    try {
      switch (effect?.kind) {
        case 'reset':
          message.socket.resetAndDestroy();
          return;
        case 'stall':
          return;
        case 'status':
          await deliver(
            response,
            method,
            this.refuse(request, StorageFault.unavailable(effect.status)),
            null,
          );
          return;
        default:
      }
      const reply = await this.answer(request);
      if (effect?.kind === 'answer-lost') {
        message.socket.resetAndDestroy();
        return;
      }
      await deliver(response, method, reply, effect);
    } catch {
      // The client went away in the middle of its request.
      response.destroy();
    }
  }

  private async answer(request: StorageRequest): Promise<StorageReply> {
    try {
      const vouched = await this.identity.answer(request);
      return vouched ?? (await (JSON_API.test(request.path) ? this.json : this.xml).answer(request));
    } catch (error) {
      if (error instanceof StorageFault) {
        return this.refuse(request, error);
      }
      throw error;
    }
  }

  private refuse(request: StorageRequest, fault: StorageFault): StorageReply {
    const { status, code, reason, message, details } = fault;
    // Nobody reads the rest of the body.
    request.body.resume();
    if (!JSON_API.test(request.path)) {
      const text = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${escape(message)}</Message><Details>${escape(details)}</Details></Error>`;
      return {
        status,
        headers: { 'content-type': 'application/xml; charset=UTF-8' },
        body: Buffer.from(text),
      };
    }
    if (request.query.get('alt') === 'media') {
      return {
        status,
        headers: { 'content-type': 'text/html; charset=UTF-8' },
        body: Buffer.from(message),
      };
    }
    const errors = [{ message, domain: 'global', reason }];
    return jsonReply({ error: { code: status, message, errors } }, status);
  }

  private verify({ method, path, query, headers }: StorageRequest): void {
    const flat = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value]),
    );
    const search = query.size > 0 ? `?${query.toString().replaceAll('+', '%20')}` : '';
    verifySignature({ method, url: `${this.origin}${path}${search}`, headers: flat }, this.identity);
  }
}

async function deliver(
  response: ServerResponse,
  method: string,
  { status, headers, body }: StorageReply,
  effect: FaultEffect | null,
): Promise<void> {
  const length = status === 204 ? {} : { 'content-length': String(body.length) };
  response.writeHead(status, {
    ...(effect?.kind === 'headers-stripped' ? withoutGoogles(headers) : headers),
    ...length,
  });
  if (method === 'HEAD') {
    response.end();
    return;
  }
  switch (effect?.kind) {
    case 'body-stall':
      response.write(body.subarray(0, body.length / 2));
      return;
    case 'body-cut':
      response.write(body.subarray(0, body.length / 2), () => response.socket?.resetAndDestroy());
      return;
    case 'slow-body':
      for (let piece = 0; piece < 10; piece += 1) {
        response.write(
          body.subarray(Math.floor((body.length * piece) / 10), Math.floor((body.length * (piece + 1)) / 10)),
        );
        await sleep(effect.pauseMs);
      }
      response.end();
      return;
    case 'body-corrupt':
      response.end(Buffer.from(body.map((byte, index) => (index === 0 ? byte ^ 1 : byte))));
      return;
    default:
      response.end(body);
  }
}

function withoutGoogles(headers: StorageReply['headers']): StorageReply['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-goog-')));
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
