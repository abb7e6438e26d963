import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { JobQueue } from '../../src/queue/job-queue.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { derivativeKey } from '../../src/storage/object-key.js';
import { type ApiClient, until } from '../support/api-client.js';
import { filesBelow } from '../support/files-below.js';
import { photo } from '../support/images.js';
import { LogBook } from '../support/log-book.js';
import { OpenApiContract } from '../support/openapi-contract.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';
import type { Dice } from './image-dice.js';

export const FUZZER = 'fuzzer';
const CANARY = 'canary';
/** The name of each of the canary's files; nobody else may ever read it. */
export const CANARY_MARK = 'canary-that-sings-to-nobody-else';
/** Names that occur nowhere but where they leak. */
export const BUCKETS = ['leaky-bucket-media', 'leaky-bucket-uploads'] as const;

/** How many ids are remembered; more would only be older. */
const MOST_IDS = 300;
const FEWEST_FILES = 12;
const SETTLE_MS = 120_000;
const UNKNOWN_ID = '01937d4e-0000-7000-8000-000000000000';

/** A real application, with somebody's files in it, and what is known about them. */
export class Ground {
  readonly log = new LogBook();
  readonly token = tokenFor(FUZZER, { expiresIn: '12h' });
  /** The next page of somebody's list. */
  cursor: string | null = null;
  private readonly ids: string[] = [];
  private readonly canaryIds: string[] = [];
  private urls: string[] = [];
  private pictures = 0;
  private picture: Buffer = Buffer.alloc(0);
  private before = '';

  private constructor(
    readonly mediadock: TestApp,
    readonly contract: OpenApiContract,
  ) {}

  static async start(): Promise<Ground> {
    const mediadock = await startTestApp({
      RATE_LIMIT_PER_MINUTE: '1000000000',
      QUOTA_BYTES: String(2 ** 49),
      UPLOAD_URL_TTL_SECONDS: '86400',
      READ_URL_TTL_SECONDS: '604800',
      STORAGE_ACCESS: 'private',
      STORAGE_BUCKET: BUCKETS[0],
      STORAGE_UPLOAD_BUCKET: BUCKETS[1],
      CORS_ORIGINS: 'https://app.example.com',
    });
    try {
      const ground = new Ground(mediadock, await OpenApiContract.read(mediadock.anonymous()));
      mediadock.app.useLogger(ground.log);
      await ground.settle();
      return ground;
    } catch (error) {
      await mediadock.close();
      throw error;
    }
  }

  get port(): number {
    return this.mediadock.config.http.port;
  }

  get client(): ApiClient {
    return this.mediadock.as(FUZZER);
  }

  private async settle(): Promise<void> {
    this.picture = await photo(16, 12);
    const canary = this.mediadock.as(CANARY);
    const name = `${CANARY_MARK}.jpg`;
    const { body: ready } = await canary.uploadDirect(this.newPicture(), 'image/jpeg', name);
    const put = await canary.uploadUnconfirmed(this.newPicture(), 'image/jpeg', name);
    const request = { fileName: name, mimeType: 'image/jpeg', fileSize: 1000 };
    const { body: pending } = await canary.requestUpload(request);
    await canary.settled(ready.id);
    this.canaryIds.push(ready.id, put.mediaFileId, pending.mediaFileId);
    for (let file = 0; file < FEWEST_FILES; file += 1) {
      await this.newFile();
    }
    this.before = await this.canarysBelongings();
  }

  /** A JPEG that nobody has uploaded yet: the same picture with another comment (ITU-T T.81, B.2.4.5). */
  newPicture(): Buffer {
    this.pictures += 1;
    const comment = Buffer.from(`\xff\xfe\0\x12${String(this.pictures).padStart(16, '0')}`, 'latin1');
    return Buffer.concat([this.picture.subarray(0, 2), comment, this.picture.subarray(2)]);
  }

  /** The fuzzer's own, as it answered. */
  async newFile(): Promise<string> {
    const { body } = await this.client.uploadDirect(this.newPicture(), 'image/jpeg');
    this.remember(body.id);
    return body.id;
  }

  /** The fuzzer's own, with its bytes put. */
  async newUpload(): Promise<string> {
    const { mediaFileId } = await this.client.uploadUnconfirmed(this.newPicture(), 'image/jpeg');
    return mediaFileId;
  }

  /** One that exists, most of the time: own ones in any state, some of somebody else, and one of nobody. */
  async anyId(dice: Dice): Promise<string> {
    if (dice.chance(0.02)) {
      return this.newFile();
    }
    return dice.chance(0.8) ? dice.pick(this.ids) : dice.chance(0.5) ? dice.pick(this.canaryIds) : UNKNOWN_ID;
  }

  /** A signed URL of the fuzzer's own, for one of the objects of a file that is ready. */
  async readUrl(dice: Dice): Promise<URL> {
    if (this.urls.length > 0 && dice.chance(0.95)) {
      return new URL(dice.pick(this.urls));
    }
    const { body } = await this.client.list({ status: 'ready', limit: '20' });
    if (body.items.length === 0) {
      await this.client.settled(await this.newFile());
      return this.readUrl(dice);
    }
    this.urls = body.items.flatMap(({ publicUrl, thumbnailUrl, mediumUrl }) =>
      [publicUrl, thumbnailUrl, mediumUrl].filter((url) => url !== null),
    );
    return new URL(dice.pick(this.urls));
  }

  /** Takes from an answer what further requests can be made of. */
  learn(body: unknown): void {
    if (typeof body !== 'object' || body === null) {
      return;
    }
    for (const [name, value] of Object.entries(body) as [string, unknown][]) {
      if (name === 'mediaFileId' && typeof value === 'string') {
        this.remember(value);
      } else if (name === 'nextCursor' && typeof value === 'string') {
        this.cursor = value;
      } else if (name === 'items' && Array.isArray(value)) {
        value.forEach((item: unknown) => this.learn(item));
      }
    }
  }

  private remember(id: string): void {
    this.ids.push(id);
    if (this.ids.length > MOST_IDS) {
      this.ids.splice(0, 1);
    }
  }

  /** Waits until no request, no job and no half-written file is left. */
  async rest(): Promise<void> {
    const queue = this.mediadock.app.get(JobQueue, { strict: false });
    await until(
      async () => {
        const { waiting, active, delayed } = await queue.depth();
        const temporaries = await filesBelow(join(this.mediadock.dataDir, 'objects', 'tmp'));
        return waiting + active + delayed + temporaries.length === 0 ? true : null;
      },
      'all jobs to be done, and all temporary files to be gone',
      SETTLE_MS,
    );
  }

  async drift(): Promise<unknown[]> {
    return this.mediadock.app.get(QuotaReconciler, { strict: false }).findDrift();
  }

  /** Objects that no row speaks of. */
  async strays(): Promise<string[]> {
    const rows = await this.mediadock.database.query<{ storage_key: string }>(
      'select storage_key from media_files',
    );
    const known = new Set(
      rows.flatMap(({ storage_key: key }) => [
        `uploads/${key}`,
        `media/${key}`,
        `media/${derivativeKey(key, 'thumbnail')}`,
        `media/${derivativeKey(key, 'medium')}`,
      ]),
    );
    return (await this.mediadock.stack.objects()).filter((name) => !known.has(name));
  }

  /** What has become other than it was before the run, of what is not the fuzzer's; empty when all is as it was. */
  async canarysLosses(): Promise<{ before: string; after: string }> {
    return { before: this.before, after: await this.canarysBelongings() };
  }

  private async canarysBelongings(): Promise<string> {
    const { database, dataDir } = this.mediadock;
    const [user] = await database.query<{ id: string }>(
      'select id from user_profiles where user_info_id = $1',
      [CANARY],
    );
    const rowsOf = async (table: string) =>
      database.query<{ row: string }>(
        `select row_to_json(t)::text as row from ${table} t where user_id = $1 order by 1`,
        [user?.id],
      );
    const rows = await Promise.all(['media_files', 'storage_quotas'].map(rowsOf));
    const folder = join(dataDir, 'objects');
    const names = (await filesBelow(folder)).filter((name) => name.includes(String(user?.id)));
    const objects = names.map(
      async (name) =>
        `${name} ${createHash('sha256')
          // Labels are links, and what they say is where they lead.
          .update(await readFile(join(folder, name)).catch(() => readlink(join(folder, name))))
          .digest('hex')}`,
    );
    return [...rows.flat().map(({ row }) => row), ...(await Promise.all(objects))].join('\n');
  }
}
