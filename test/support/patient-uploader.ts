import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import type { ApiClient } from './api-client.js';

/** Longer than any part is taken down for. */
const PATIENCE_MS = 120_000;
const PAUSE_MS = 200;
const PUT_TIMEOUT_MS = 5_000;
const NEVER_AGAIN = Symbol('not worth another try');

/** What a well-made client does while parts of the service are down: it tries again, and takes "done already" for done. */
export class PatientUploader {
  /** Calls that failed and were made again. */
  retries = 0;
  /** Calls of every kind, retries included. */
  calls = 0;

  constructor(
    /** Each attempt may go to another API, as behind a load balancer. */
    private readonly pickClient: () => ApiClient,
  ) {}

  /** A reservation, and a URL for it. */
  async request(fileSize: number, mimeType: string, fileName = 'photo.jpg'): Promise<UploadTicketDto> {
    return this.again('request an upload', async () => {
      const { status, body } = await this.pickClient().requestUpload({ fileName, mimeType, fileSize });
      return status === 201 ? body : this.judge(status, body);
    });
  }

  /** Request, PUT and confirm. @returns the id of the file */
  async upload(bytes: Buffer, mimeType: string, fileName = 'photo.jpg'): Promise<string> {
    const ticket = await this.request(bytes.length, mimeType, fileName);
    await this.again('put the bytes', async () => {
      const { status } = await this.put(ticket, bytes);
      // 412: an earlier try has arrived after all.
      return status === 200 || status === 412 ? true : this.judge(status, '');
    });
    await this.again('confirm', async () => {
      const { status, body } = await this.pickClient().confirm<{ code?: string }>(ticket.mediaFileId);
      return status === 200 || body.code === 'invalid_status' ? true : this.judge(status, body);
    });
    return ticket.mediaFileId;
  }

  /** In one request, for small files. @returns the id of the file */
  async uploadDirect(bytes: Buffer, mimeType: string, fileName = 'photo.jpg'): Promise<string> {
    return this.again('upload directly', async () => {
      const { status, body } = await this.pickClient().uploadDirect(bytes, mimeType, fileName);
      return status === 200 || status === 201 ? body.id : this.judge(status, body);
    });
  }

  async delete(id: string): Promise<void> {
    await this.again('delete', async () => {
      const { status, body } = await this.pickClient().delete(id);
      return status === 204 || status === 404 ? true : this.judge(status, body);
    });
  }

  /** A store that never answers must not keep a client for ever. */
  private async put(ticket: UploadTicketDto, bytes: Buffer): Promise<Response> {
    const response = await fetch(ticket.uploadUrl, {
      method: ticket.uploadMethod,
      headers: ticket.uploadHeaders,
      body: new Uint8Array(bytes),
      signal: AbortSignal.timeout(PUT_TIMEOUT_MS),
    });
    await response.arrayBuffer();
    return response;
  }

  private judge(status: number, body: unknown): null {
    if (status < 500 && status !== 429) {
      throw Object.assign(new Error(`Answered with ${status}: ${JSON.stringify(body)}`), {
        [NEVER_AGAIN]: true,
      });
    }
    return null;
  }

  private async again<Value>(what: string, call: () => Promise<Value | null>): Promise<Value> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      this.calls += 1;
      const value = await call().catch((error: unknown) => {
        if (error instanceof Error && NEVER_AGAIN in error) {
          throw error;
        }
        return null;
      });
      if (value !== null) {
        return value;
      }
      if (Date.now() > deadline) {
        throw new Error(`Tried for too long to ${what}`);
      }
      this.retries += 1;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
