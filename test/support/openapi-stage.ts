import { vi } from 'vitest';
import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { JobQueue } from '../../src/queue/job-queue.js';
import { LocalObjectStorage } from '../../src/storage/local/local-object-storage.js';
import { ObjectStorage } from '../../src/storage/object-storage.js';
import { StorageUnavailableError } from '../../src/storage/storage.errors.js';
import { type Answer, type ApiClient, until } from './api-client.js';
import { photo } from './images.js';
import { OpenApiContract, type OperationRequest } from './openapi-contract.js';
import { startTestApp, type TestApp } from './test-app.js';

/** Brings the service to give one particular answer. */
export type Provocation = (stage: OpenApiStage) => Promise<Answer<unknown>>;

/** Two applications, and the ways to bring them into every state that the document speaks of. All real, but for `withoutSigning`. */
export class OpenApiStage {
  private seed = 0;

  private constructor(
    /** As it comes. */
    readonly open: TestApp,
    /** Knows only users that were added, serves files only to signed URLs, and has no patience. */
    readonly closed: TestApp,
    readonly contract: OpenApiContract,
  ) {}

  static async start(): Promise<OpenApiStage> {
    const [open, closed] = await Promise.all([
      startTestApp(),
      startTestApp({
        USER_PROVISIONING: 'manual',
        STORAGE_ACCESS: 'private',
        RATE_LIMIT_PER_MINUTE: '1',
      }),
    ]);
    return new OpenApiStage(open, closed, await OpenApiContract.read(open.anonymous()));
  }

  async close(): Promise<void> {
    await Promise.all([this.open.close(), this.closed.close()]);
  }

  get alice(): ApiClient {
    return this.open.as('alice');
  }

  get bob(): ApiClient {
    return this.open.as('bob');
  }

  /** A client that nobody has seen yet. */
  stranger(app: TestApp): ApiClient {
    this.seed += 1;
    return app.as(`stranger-${this.seed}`);
  }

  call(client: ApiClient, operationId: string, request?: OperationRequest): Promise<Answer<unknown>> {
    return this.contract.call(client, operationId, request);
  }

  /** A user whose quota is used up before the first byte. */
  async poor(): Promise<ApiClient> {
    const client = this.stranger(this.open);
    await client.quota();
    await this.open.database.query(
      `update storage_quotas set limit_bytes = 0
       where user_id = (select id from user_profiles where user_info_id = $1)`,
      [`stranger-${this.seed}`],
    );
    return client;
  }

  /** A photo that nobody has uploaded yet. */
  async newPhoto(): Promise<Buffer> {
    this.seed += 1;
    return photo(60, 40, this.seed);
  }

  /** Alice's, confirmed. */
  async newFile(): Promise<MediaFileDto> {
    const { body } = await this.alice.uploadDirect(await this.newPhoto(), 'image/jpeg');
    return body;
  }

  /** Alice's, with its bytes put, but not confirmed. */
  async newUpload(bytes?: Buffer): Promise<UploadTicketDto> {
    return this.alice.uploadUnconfirmed(bytes ?? (await this.newPhoto()), 'image/jpeg');
  }

  /** Alice's, of which nothing has arrived. */
  async newTicket(fileSize: number): Promise<UploadTicketDto> {
    const { body } = await this.alice.requestUpload({ fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize });
    return body;
  }

  async closeWindow(mediaFileId: string): Promise<void> {
    await this.open.database.query(
      `update media_files set upload_expires_at = now() - interval '1 second' where id = $1`,
      [mediaFileId],
    );
  }

  /** Makes an answered request one that is still being carried out. */
  async reopenKey(key: string): Promise<void> {
    await this.open.database.query(
      `update idempotency_keys set status_code = null, response = null, media_file_ids = null,
         locked_until = now() + interval '1 minute'
       where key = $1`,
      [key],
    );
  }

  /** A signed PUT for any length and time, as only the application itself can make it. */
  async signedPut(key: string, contentLength: number, expiresAt: Date): Promise<OperationRequest> {
    const signed = await this.open.app
      .get(LocalObjectStorage, { strict: false })
      .signUpload({ key, contentType: 'image/jpeg', contentLength, expiresAt });
    return putRequest(signed.url, signed.headers, Buffer.alloc(contentLength));
  }

  /** Puts so many bytes where others were declared, through a URL that the application would not have given. */
  async putOtherLength({ storageKey }: UploadTicketDto, contentLength: number): Promise<void> {
    const { url, headers } = await this.open.app.get(ObjectStorage, { strict: false }).signUpload({
      key: storageKey,
      contentType: 'image/jpeg',
      contentLength,
      expiresAt: new Date(Date.now() + 60_000),
    });
    await fetch(url, { method: 'PUT', headers: { ...headers }, body: new Uint8Array(contentLength) });
  }

  /** Answers while a table is gone, as after a migration that went wrong. */
  async withoutTable<Result>(table: string, action: () => Promise<Result>): Promise<Result> {
    await this.idle();
    await this.open.database.query(`alter table ${table} rename to ${table}_away`);
    try {
      return await action();
    } finally {
      await this.open.database.query(`alter table ${table}_away rename to ${table}`);
    }
  }

  /** Answers while the storage is away. */
  async withoutStorage<Result>(action: () => Promise<Result>): Promise<Result> {
    await this.idle();
    await this.open.stack.storageDown();
    try {
      return await action();
    } finally {
      await this.open.stack.storageUp();
    }
  }

  /**
   * Answers while no URL can be signed, which happens where the IAM API of Google signs them, and is away. The one fault that
   * is made up: that is not within reach from here (`test/integration/gcs-workload-identity.spec.ts` has it on its own).
   */
  async withoutSigning<Result>(action: () => Promise<Result>): Promise<Result> {
    const storage = this.open.app.get(ObjectStorage, { strict: false });
    const away = new StorageUnavailableError('sign');
    const spies = [
      vi.spyOn(storage, 'signUpload').mockRejectedValue(away),
      vi.spyOn(storage, 'readUrl').mockRejectedValue(away),
    ];
    try {
      return await action();
    } finally {
      for (const spy of spies) {
        spy.mockRestore();
      }
    }
  }

  /** A job at work would make missing folders anew, and would be tried again long after its test. */
  private async idle(): Promise<void> {
    const queue = this.open.app.get(JobQueue, { strict: false });
    await until(async () => {
      const { waiting, active, delayed } = await queue.depth();
      return waiting + active + delayed === 0 ? true : null;
    }, 'the queue to be empty');
  }
}

/** The request that a signed URL asks for. */
export function putRequest(
  url: string,
  headers: Readonly<Record<string, string>>,
  bytes: Buffer,
): OperationRequest {
  return { ...signedTarget(url), init: { headers: { ...headers }, body: new Uint8Array(bytes) } };
}

/** Key and query of a URL of the local storage. */
export function signedTarget(url: string): OperationRequest & { path: { key: string } } {
  const { pathname, searchParams } = new URL(url);
  const key = pathname.replace(/^\/v1\/storage\/(uploads|media)\//, '');
  return { path: { key }, query: Object.fromEntries(searchParams) };
}

export function multipart(bytes: Buffer, mimeType: string): OperationRequest {
  const form = new FormData();
  form.set('file', new File([new Uint8Array(bytes)], 'photo.jpg', { type: mimeType }));
  return { init: { body: form } };
}
