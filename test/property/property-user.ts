import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { MediaFilesRepository } from '../../src/media/media-files.repository.js';
import { acceptedType } from '../../src/media/media-types.js';
import { UploadsService } from '../../src/media/uploads.service.js';
import { ProblemError } from '../../src/common/problem.js';
import { Sweeper } from '../../src/processing/sweeper.js';
import type { ApiClient } from '../support/api-client.js';
import type { TestApp } from '../support/test-app.js';
import { inWords, type ProblemWords } from './answers.js';
import { MIME_TYPE, otherBytes, type Picture } from './pictures.js';

/** Something that a client, an operator or fate does; `About` says which file it is about. */
export type CallOf<About> =
  | { readonly do: 'request'; readonly picture: number; readonly withHash: boolean }
  | { readonly do: 'requestMany'; readonly pictures: readonly number[] }
  | ({ readonly do: 'put'; readonly right: boolean } & About)
  | ({ readonly do: 'confirm' } & About)
  | { readonly do: 'direct'; readonly picture: number; readonly right: boolean }
  /** A direct upload whose process dies when it has just reserved. */
  | { readonly do: 'abandon'; readonly picture: number }
  | ({ readonly do: 'delete' } & About)
  /** The upload window of a file closes. */
  | ({ readonly do: 'expire' } & About)
  | { readonly do: 'sweep' };

/** A call, with the id of the file that it is about. */
export type UserCall = CallOf<{ readonly id: string }>;

/** What somebody was told: status and code, and the ids that came with them. */
export interface Told {
  readonly outcome: string;
  readonly ids: readonly (string | null)[];
}

/** All that the answers of the upload routes may hold. */
interface AnyBody extends Partial<UploadTicketDto>, ProblemWords {
  readonly id?: string;
  readonly status?: string;
  readonly mediaFile?: { readonly id: string };
}

interface BatchBody extends ProblemWords {
  readonly items: readonly (Partial<UploadTicketDto> & ProblemWords & { readonly status: number })[];
}

/** Makes real calls, and says what was answered. */
export class PropertyUser {
  readonly tickets = new Map<string, UploadTicketDto>();

  constructor(
    /** Null: without a token. */
    private readonly subject: string | null,
    readonly userId: string,
    private readonly pictures: readonly Picture[],
    /** As it is now: it may be another one after a restart. */
    private readonly mediadock: () => TestApp,
  ) {}

  get client(): ApiClient {
    return this.subject === null ? this.mediadock().anonymous() : this.mediadock().as(this.subject);
  }

  /** @throws whatever `fetch` throws when there is no answer */
  async make(call: UserCall): Promise<Told> {
    switch (call.do) {
      case 'request':
        return this.request(call.picture, call.withHash);
      case 'requestMany':
        return this.requestMany(call.pictures);
      case 'put':
        return this.put(call.id, call.right);
      case 'confirm': {
        const answer = await this.client.confirm<AnyBody>(call.id);
        return answer.status === 200
          ? { outcome: `200 ${answer.body.status}`, ids: [answer.body.id ?? null] }
          : told(inWords(answer.status, answer.body));
      }
      case 'direct': {
        const picture = this.picture(call.picture);
        const bytes = call.right ? picture.bytes : otherBytes(picture);
        const answer = await this.client.uploadDirect<AnyBody>(bytes, MIME_TYPE);
        return answer.status < 300
          ? { outcome: String(answer.status), ids: [answer.body.id ?? null] }
          : told(inWords(answer.status, answer.body));
      }
      case 'abandon':
        return this.abandon(call.picture);
      case 'delete': {
        const { status, body } = await this.client.delete(call.id);
        return told(status === 204 ? '204' : inWords(status, body));
      }
      case 'expire':
        await this.mediadock().database.query(
          "update media_files set upload_expires_at = now() - interval '1 second' where id = $1",
          [call.id],
        );
        return told('closed');
      case 'sweep':
        await this.mediadock().app.get(Sweeper, { strict: false }).sweep();
        return told('sweep');
    }
  }

  private async request(number: number, withHash: boolean): Promise<Told> {
    const picture = this.picture(number);
    const answer = await this.client.requestUpload<AnyBody>({
      ...asRequest(picture),
      ...(withHash ? { contentHash: picture.hash } : {}),
    });
    if (answer.status === 200) {
      return { outcome: '200 duplicate', ids: [answer.body.mediaFile?.id ?? null] };
    }
    return answer.status === 201
      ? { outcome: '201', ids: [this.keep(answer.body)] }
      : told(inWords(answer.status, answer.body));
  }

  private async requestMany(numbers: readonly number[]): Promise<Told> {
    const { status, body } = await this.client.sendJson<BatchBody>('POST', '/v1/media/uploads/batch', {
      items: numbers.map((number) => asRequest(this.picture(number))),
    });
    if (status !== 200) {
      return told(inWords(status, body));
    }
    return {
      outcome: body.items.map((item) => inWords(item.status, item)).join(', '),
      ids: body.items.map((item) => (item.status === 201 ? this.keep(item) : null)),
    };
  }

  private async put(id: string, right: boolean): Promise<Told> {
    const ticket = this.tickets.get(id);
    if (ticket === undefined) {
      throw new Error('Only a file with a ticket can be put');
    }
    const size = sizeOf(ticket);
    const picture = this.pictures.find(({ bytes }) => bytes.length === size) ?? this.picture(0);
    const response = await fetch(ticket.uploadUrl, {
      method: 'PUT',
      headers: ticket.uploadHeaders,
      body: new Uint8Array(right ? picture.bytes : otherBytes(picture)),
    });
    const text = await response.text();
    const problem: ProblemWords = response.ok ? {} : JSON.parse(text);
    return told(inWords(response.status, problem));
  }

  /** Reserves as the direct route does, and gets no further. */
  private async abandon(number: number): Promise<Told> {
    const { app } = this.mediadock();
    const type = acceptedType(MIME_TYPE);
    const { bytes, hash } = this.picture(number);
    if (type === null) {
      throw new Error(`${MIME_TYPE} is accepted`);
    }
    try {
      const file = await app
        .get(MediaFilesRepository, { strict: false })
        .insertReserving(
          app
            .get(UploadsService, { strict: false })
            .newFile(this.userId, 'abandoned.jpg', type, bytes.length, { directHash: hash, ttlSeconds: 900 }),
        );
      return { outcome: '201', ids: [file.id] };
    } catch (error) {
      if (error instanceof ProblemError) {
        return told(`${error.status} ${error.code}`);
      }
      if (error instanceof Error && error.message.includes('media_files_direct_hash_key')) {
        return told('in the way');
      }
      throw error;
    }
  }

  private keep(ticket: Partial<UploadTicketDto>): string | null {
    const { mediaFileId, storageKey, uploadUrl, uploadMethod, uploadHeaders, expiresAt } = ticket;
    if (mediaFileId && storageKey && uploadUrl && uploadMethod && uploadHeaders && expiresAt) {
      this.tickets.set(mediaFileId, {
        mediaFileId,
        storageKey,
        uploadUrl,
        uploadMethod,
        uploadHeaders,
        expiresAt,
      });
      return mediaFileId;
    }
    return null;
  }

  private picture(number: number): Picture {
    const picture = this.pictures[number];
    if (picture === undefined) {
      throw new Error(`There is no picture ${number}`);
    }
    return picture;
  }
}

function told(outcome: string): Told {
  return { outcome, ids: [] };
}

function asRequest({ bytes }: Picture) {
  return { fileName: 'a.jpg', mimeType: MIME_TYPE, fileSize: bytes.length };
}

function sizeOf({ uploadHeaders }: UploadTicketDto): number {
  return Number(uploadHeaders['x-goog-content-length-range']?.split(',')[0]);
}
