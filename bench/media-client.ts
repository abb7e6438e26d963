import { Agent, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { inParallel } from '../src/common/in-parallel.js';

const AT_ONCE = 4;
const NOTHING = Buffer.alloc(0);

interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * A client of the REST API, as far as the bench needs one. It shares the cores with what it measures, so it is a light one: with
 * `fetch`, a confirm took it twice as long.
 */
export class MediaClient {
  private readonly agent = new Agent({ keepAlive: true });

  constructor(
    private readonly origin: string,
    private readonly token: string,
  ) {}

  /** Requests URLs and puts the photos. @returns the ids, in their order */
  async putAll(photos: readonly Buffer[]): Promise<string[]> {
    return inParallel(AT_ONCE, photos, (photo) => this.put(photo));
  }

  async confirm(id: string): Promise<void> {
    await this.call('POST', `/v1/media/${id}/confirm`, {});
  }

  async waitUntilReady(id: string): Promise<void> {
    const file: { status?: string } = JSON.parse(
      await this.call('GET', `/v1/media/${id}?waitFor=ready&timeoutSeconds=30`),
    );
    if (file.status !== 'ready') {
      throw new Error(`A file of the bench is ${file.status} instead of ready`);
    }
  }

  private async put(photo: Buffer): Promise<string> {
    const ticket: { mediaFileId: string; uploadUrl: string; uploadHeaders: Record<string, string> } =
      JSON.parse(
        await this.call('POST', '/v1/media/uploads', {
          fileName: 'Photo.JPG',
          mimeType: 'image/jpeg',
          fileSize: photo.length,
        }),
      );
    const { status } = await this.exchange('PUT', ticket.uploadUrl, ticket.uploadHeaders, photo);
    if (status !== 200) {
      throw new Error(`A PUT of the bench was answered ${status}`);
    }
    return ticket.mediaFileId;
  }

  private async call(method: string, path: string, body?: object): Promise<string> {
    const { status, text } = await this.exchange(
      method,
      this.origin + path,
      { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body && Buffer.from(JSON.stringify(body)),
    );
    if (status < 200 || status > 299) {
      throw new Error(`${method} ${path} was answered ${status}: ${text}`);
    }
    return text;
  }

  private exchange(
    method: string,
    url: string,
    headers: Record<string, string>,
    body: Buffer = NOTHING,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const length = { 'content-length': String(body.length) };
      request(url, { method, agent: this.agent, headers: { ...headers, ...length } }, (response) => {
        textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      })
        .on('error', reject)
        .end(body);
    });
  }
}
