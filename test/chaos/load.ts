import type { ApiClient } from '../support/api-client.js';
import type { Cluster } from '../support/cluster.js';
import { photo, pngImage, truncated, webpImage } from '../support/images.js';
import { PatientUploader } from '../support/patient-uploader.js';

interface Picture {
  readonly bytes: Buffer;
  readonly mimeType: string;
}

/** What is true of one user's files, as far as the service has told. */
export interface Truth {
  /** Answered as done: these must be `ready`. */
  readonly kept: Set<string>;
  /** Broken files, answered as taken: these must be `failed`. */
  readonly doomed: Set<string>;
  /** Answered as deleted: of these nothing may be left. */
  readonly deleted: Set<string>;
}

/** Below the limit of the direct route. */
const SMALL: readonly [number, number] = [320, 240];
const LARGE: readonly [number, number] = [1400, 1000];

async function makePictures(): Promise<{ good: Picture[]; small: Picture[]; broken: Picture[] }> {
  const jpegs = await Promise.all([1, 2, 3].map((seed) => photo(...LARGE, seed)));
  const good: Picture[] = [
    ...jpegs.map((bytes) => ({ bytes, mimeType: 'image/jpeg' })),
    { bytes: await pngImage(600, 400), mimeType: 'image/png' },
    { bytes: await webpImage(800, 600), mimeType: 'image/webp' },
  ];
  const small = await Promise.all(
    Array.from({ length: 40 }, async (_, seed) => ({
      bytes: await photo(...SMALL, seed + 100),
      mimeType: 'image/jpeg',
    })),
  );
  const broken = jpegs.map((bytes) => ({ bytes: truncated(bytes, 0.6), mimeType: 'image/jpeg' }));
  return { good, small, broken };
}

/** Users who upload and delete, each one call after the other, so that it is clear what has to be true of their files. */
export class Load {
  readonly truths = new Map<string, Truth>();
  private readonly uploaders: PatientUploader[] = [];
  private stopped = false;

  constructor(
    private readonly cluster: Cluster,
    private readonly random: () => number,
  ) {}

  get calls(): number {
    return this.uploaders.reduce((sum, { calls }) => sum + calls, 0);
  }

  get retries(): number {
    return this.uploaders.reduce((sum, { retries }) => sum + retries, 0);
  }

  stop(): void {
    this.stopped = true;
  }

  /** Goes on until it is stopped; resolves when every user is through with the call at hand. */
  async run(users: number): Promise<void> {
    const pictures = await makePictures();
    await Promise.all(
      Array.from({ length: users }, async (_, index) => this.live(`user-${index}`, pictures)),
    );
  }

  private async live(subject: string, pictures: Awaited<ReturnType<typeof makePictures>>): Promise<void> {
    const truth: Truth = { kept: new Set(), doomed: new Set(), deleted: new Set() };
    this.truths.set(subject, truth);
    const uploader = new PatientUploader(() => this.anyApi(subject));
    this.uploaders.push(uploader);
    while (!this.stopped) {
      await this.act(uploader, truth, pictures);
    }
  }

  private async act(
    uploader: PatientUploader,
    { kept, doomed, deleted }: Truth,
    { good, small, broken }: Awaited<ReturnType<typeof makePictures>>,
  ): Promise<void> {
    const dice = this.random();
    if (dice < 0.5) {
      const { bytes, mimeType } = this.oneOf(good);
      kept.add(await uploader.upload(bytes, mimeType));
    } else if (dice < 0.7) {
      const { bytes, mimeType } = this.oneOf(small);
      kept.add(await uploader.uploadDirect(bytes, mimeType));
    } else if (dice < 0.8) {
      const { bytes, mimeType } = this.oneOf(broken);
      doomed.add(await uploader.upload(bytes, mimeType));
    } else if (dice < 0.85) {
      await uploader.request(1000, 'image/jpeg', 'never-put.jpg');
    } else if (kept.size > 0) {
      const id = this.oneOf([...kept]);
      // Whatever the answer was, from here on it may be gone.
      kept.delete(id);
      await uploader.delete(id);
      deleted.add(id);
    }
  }

  private anyApi(subject: string): ApiClient {
    return this.cluster.as(subject, Math.floor(this.random() * this.cluster.apis.length));
  }

  private oneOf<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.random() * items.length)];
    if (item === undefined) {
      throw new RangeError('There is nothing to choose from');
    }
    return item;
  }
}
