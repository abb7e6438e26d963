import { createHash } from 'node:crypto';
import type { MediaFileDto, MediaPageDto } from '../../src/media/dto/media-file.dto.js';
import type { DuplicateUploadDto, UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import type { QuotaDto } from '../../src/quota/dto/quota.dto.js';

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface UploadRequest {
  readonly fileName: string;
  readonly mimeType: string;
  readonly fileSize: number;
  readonly contentHash?: string;
}

const SETTLE_TIMEOUT_MS = 60_000;
const POLL_MS = 25;

/** What an integrator would write: the documented operations, and nothing of the inside. */
export class ApiClient {
  constructor(
    readonly baseUrl: string,
    private readonly token: string | null,
  ) {}

  async send<Body = ProblemBody>(
    method: string,
    path: string,
    init: RequestInit = {},
  ): Promise<Answer<Body>> {
    const headers = new Headers(init.headers);
    if (this.token !== null) {
      headers.set('authorization', `Bearer ${this.token}`);
    }
    const response = await fetch(`${this.baseUrl}${path}`, { ...init, method, headers });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    // The caller says which documented shape it expects; what really came is for the test to assert.
    const body: Body = JSON.parse(json ? text : JSON.stringify(text));
    return { status: response.status, headers: response.headers, body };
  }

  async sendJson<Body = ProblemBody>(method: string, path: string, body: unknown): Promise<Answer<Body>> {
    return this.send<Body>(method, path, {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  }

  requestUpload<Body = UploadTicketDto>(request: UploadRequest): Promise<Answer<Body>> {
    return this.sendJson<Body>('POST', '/v1/media/uploads', request);
  }

  requestDuplicate(request: UploadRequest): Promise<Answer<DuplicateUploadDto>> {
    return this.requestUpload<DuplicateUploadDto>(request);
  }

  confirm<Body = MediaFileDto>(id: string, body: object = {}): Promise<Answer<Body>> {
    return this.sendJson<Body>('POST', `/v1/media/${id}/confirm`, body);
  }

  get<Body = MediaFileDto>(id: string): Promise<Answer<Body>> {
    return this.send<Body>('GET', `/v1/media/${id}`);
  }

  list<Body = MediaPageDto>(query: Record<string, string> = {}): Promise<Answer<Body>> {
    return this.send<Body>('GET', `/v1/media?${new URLSearchParams(query).toString()}`);
  }

  delete(id: string): Promise<Answer<ProblemBody>> {
    return this.send('DELETE', `/v1/media/${id}`);
  }

  async quota(): Promise<QuotaDto> {
    const { body } = await this.send<QuotaDto>('GET', '/v1/quota');
    return body;
  }

  uploadDirect<Body = MediaFileDto>(
    bytes: Buffer,
    mimeType: string,
    fileName = 'photo.jpg',
  ): Promise<Answer<Body>> {
    const form = new FormData();
    form.set('file', new File([new Uint8Array(bytes)], fileName, { type: mimeType }));
    return this.send<Body>('POST', '/v1/media', { body: form });
  }

  /** PUTs the bytes as the ticket says; the ticket carries its own authority. */
  async put(ticket: UploadTicketDto, bytes: Buffer, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(ticket.uploadUrl, {
      method: ticket.uploadMethod,
      headers: { ...ticket.uploadHeaders, ...headers },
      body: new Uint8Array(bytes),
    });
    await response.arrayBuffer();
    return response;
  }

  /** Request and PUT: a file that only needs to be confirmed. */
  async uploadUnconfirmed(bytes: Buffer, mimeType: string, fileName = 'photo.jpg'): Promise<UploadTicketDto> {
    const { body: ticket } = await this.requestUpload({ fileName, mimeType, fileSize: bytes.length });
    const put = await this.put(ticket, bytes);
    if (!put.ok) {
      throw new Error(`The PUT was answered with ${put.status}`);
    }
    return ticket;
  }

  /** All the way to a confirmed file. */
  async upload(bytes: Buffer, mimeType: string, fileName = 'photo.jpg'): Promise<MediaFileDto> {
    const ticket = await this.uploadUnconfirmed(bytes, mimeType, fileName);
    const { body } = await this.confirm(ticket.mediaFileId);
    return body;
  }

  /** The file once it is `ready` or `failed`. */
  async settled(id: string): Promise<MediaFileDto> {
    return until(async () => {
      const { body } = await this.get(id);
      return body.status === 'ready' || body.status === 'failed' ? body : null;
    }, `${id} to settle`);
  }
}

/** Asks again and again until there is an answer; gives up loudly. */
export async function until<Value>(
  probe: () => Promise<Value | null>,
  what: string,
  timeoutMs = SETTLE_TIMEOUT_MS,
  pollMs = POLL_MS,
): Promise<Value> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== null) {
      return value;
    }
    if (Date.now() > deadline) {
      throw new Error(`Waited too long for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
