import type { ApiClient } from './api-client.js';

/** Longer than any part is taken down for. */
const PATIENCE_MS = 120_000;
const PAUSE_MS = 200;
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

  /** Request, PUT and confirm. @returns the id of the file */
  async upload(bytes: Buffer, mimeType: string, fileName = 'photo.jpg'): Promise<string> {
    const ticket = await this.again('request an upload', async () => {
      const { status, body } = await this.pickClient().requestUpload({
        fileName,
        mimeType,
        fileSize: bytes.length,
      });
      return status === 201 ? body : this.judge(status, body);
    });
    await this.again('put the bytes', async () => {
      const { status } = await this.pickClient().put(ticket, bytes);
      // 412: an earlier try has arrived after all.
      return status === 200 || status === 412 ? true : this.judge(status, '');
    });
    await this.again('confirm', async () => {
      const { status, body } = await this.pickClient().confirm<{ code?: string }>(ticket.mediaFileId);
      return status === 200 || body.code === 'invalid_status' ? true : this.judge(status, body);
    });
    return ticket.mediaFileId;
  }

  async delete(id: string): Promise<void> {
    await this.again('delete', async () => {
      const { status, body } = await this.pickClient().delete(id);
      return status === 204 || status === 404 ? true : this.judge(status, body);
    });
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
