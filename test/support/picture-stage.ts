import type { RawEnvironment } from '../../src/config/parse-environment.js';
import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import { QuotaReconciler } from '../../src/quota/quota-reconciler.js';
import { type ApiClient, until } from './api-client.js';
import { refusalOf } from './openapi-problem.js';
import { startTestApp, type TestApp } from './test-app.js';

export interface SmugglingResult {
  readonly confirm: string;
  readonly direct: string;
  /** Objects that are left of it. */
  readonly kept: readonly string[];
}

/** How both ways in have to answer, whatever the bytes are. */
export const MISMATCH: SmugglingResult = {
  confirm: '415 type_mismatch',
  direct: '415 type_mismatch',
  kept: [],
};

export interface Remains {
  readonly status: string;
  readonly processingError: string | null;
  readonly urls: readonly string[];
  /** Ledgers that do not agree with their files. */
  readonly drift: readonly unknown[];
}

/** What is left of a file that was rejected for this reason: nothing to be seen, and nothing to be paid for. */
export function rejected(code: string): Remains {
  return { status: 'failed', processingError: code, urls: [], drift: [] };
}

/** A whole application, and what tests of hostile pictures do with it again and again. */
export class PictureStage {
  readonly mallory: ApiClient;

  private constructor(readonly mediadock: TestApp) {
    this.mallory = mediadock.as('mallory');
  }

  static async start(environment: RawEnvironment = {}): Promise<PictureStage> {
    return new PictureStage(await startTestApp(environment));
  }

  async objectsOf(id: string): Promise<string[]> {
    return (await this.mediadock.stack.objects()).filter((path) => path.includes(id));
  }

  /** Through a signed URL, to whatever end the worker comes with it. */
  async process(bytes: Buffer, mimeType: string, fileName?: string): Promise<MediaFileDto> {
    const { id } = await this.mallory.upload(bytes, mimeType, fileName);
    return this.mallory.settled(id);
  }

  /** Brings bytes in under a type that is not theirs, on both ways. */
  async smuggle(bytes: Buffer, mimeType: string): Promise<SmugglingResult> {
    const { mediaFileId } = await this.mallory.uploadUnconfirmed(bytes, mimeType);
    return {
      confirm: refusalOf(await this.mallory.confirm<unknown>(mediaFileId)),
      kept: await this.objectsOf(mediaFileId),
      direct: refusalOf(await this.mallory.uploadDirect<unknown>(bytes, mimeType)),
    };
  }

  /** What a file has come to, once nothing is left of its bytes. */
  async remainsOf(file: MediaFileDto): Promise<Remains> {
    const isGone = async () => ((await this.objectsOf(file.id)).length === 0 ? true : null);
    await until(isGone, 'the bytes of a rejected file to go');
    const { status, processingError, publicUrl, thumbnailUrl, mediumUrl } = file;
    return {
      status,
      processingError,
      urls: [publicUrl, thumbnailUrl, mediumUrl].filter((url) => url !== null),
      drift: await this.mediadock.app.get(QuotaReconciler, { strict: false }).findDrift(),
    };
  }

  /** The sum of a metric over all its label sets that have these words in them. */
  async metric(name: string, words = ''): Promise<number> {
    const { body } = await this.mallory.send<string>('GET', '/metrics');
    return body
      .split('\n')
      .filter((line) => line.startsWith(name) && line.includes(words))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  async close(): Promise<void> {
    await this.mediadock.close();
  }
}

/** The bytes at a URL that has to work. */
export async function download(url: string | null): Promise<Buffer> {
  const response = await fetch(String(url));
  if (response.status !== 200) {
    throw new Error(`A download was answered with ${response.status}`);
  }
  return Buffer.from(await response.arrayBuffer());
}
