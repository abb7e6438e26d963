import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../support/api-client.js';

/** Generous: it is about being answered at all, on a machine that may be busy with other tests. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 25;

type Kind = 'live' | 'list' | 'quota' | 'upload';

/**
 * The ordinary client that goes on while others misbehave: looks things up, uploads a photo, on connections that it keeps
 * and on new ones, without a pause worth mentioning.
 */
export class Probes {
  answered = 0;
  /** What went wrong, in words. */
  readonly failures: string[] = [];
  private stopped = false;
  private readonly ended: Promise<unknown>;

  constructor(
    private readonly client: ApiClient,
    private readonly photo: Buffer,
  ) {
    this.ended = Promise.all([this.goOn(['live', 'list']), this.goOn(['quota', 'upload'])]);
  }

  /** Resolves when the last one was answered. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.ended;
  }

  private async goOn(kinds: readonly Kind[]): Promise<void> {
    while (!this.stopped) {
      for (const kind of kinds) {
        await this.ask(kind);
        await sleep(PAUSE_MS);
      }
    }
  }

  private async ask(kind: Kind): Promise<void> {
    try {
      const status = await this[kind]();
      if (status !== 200) {
        throw new Error(`answered with ${status}`);
      }
      this.answered += 1;
    } catch (error) {
      this.failures.push(`${kind}: ${String(error)}`);
    }
  }

  /** On a connection of its own: a service that takes no new ones is not there for anybody else. */
  private async live(): Promise<number> {
    const request = get(`${this.client.baseUrl}/health/live`, {
      agent: false,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  }

  private async list(): Promise<number> {
    return this.send('GET', '/v1/media?limit=5');
  }

  private async quota(): Promise<number> {
    return this.send('GET', '/v1/quota');
  }

  /** The same photo each time: it is read and hashed, and then it is there already. */
  private async upload(): Promise<number> {
    const form = new FormData();
    form.set('file', new File([new Uint8Array(this.photo)], 'probe.jpg', { type: 'image/jpeg' }));
    return this.send('POST', '/v1/media', { body: form });
  }

  private async send(method: string, path: string, init: RequestInit = {}): Promise<number> {
    const { status } = await this.client.send(method, path, {
      ...init,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return status;
  }
}
