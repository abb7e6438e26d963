import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import { type ApiClient, until } from '../support/api-client.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import type { Result } from './image-child.js';
import { makeCorpus, type Original } from './image-corpus.js';
import { seedOfFile } from './image-dice.js';
import { CODES, flawOf } from './image-verdict.js';
import { ImageWorkbench } from './image-workbench.js';
import { makeMutant, type Mutant } from './mutations.js';

const { count, seed } = runOptions({ count: 2_000 });

/** Files with the worker at once. */
const IN_FLIGHT = 4;
const TIMEOUT_SECONDS = 60;
/** All files before it may have taken all of their time; and a busy machine some more. */
const PATIENCE_MS = (IN_FLIGHT * TIMEOUT_SECONDS + 30) * 1_000;
const MAX_PIXELS = 50_000_000;
/**
 * Decodes together may hold six bytes for each of MAX_PIXELS (300 MB), the process itself takes about 90, and every
 * file in flight some more for its original, its intermediate and its encoders. Larger images are not damaged but made
 * on purpose, in `image-bombs.spec.ts`.
 */
const MAX_MEGABYTES = 512;
/** A whole test for the worst file, and for each of the others many times what it takes. */
const TEST_TIMEOUT_MS = 120_000 + count * 200;

interface Numbered extends Mutant {
  readonly seed: number;
}

class Tally {
  readonly failed = new Map<string, number>();
  readonly flaws: string[] = [];
  ready = 0;
  slowestMs = 0;

  add({ outcome, ms }: Result): void {
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (outcome.kind === 'ready') {
      this.ready += 1;
      return;
    }
    const code = outcome.kind === 'failed' ? outcome.code : outcome.kind;
    this.failed.set(code, (this.failed.get(code) ?? 0) + 1);
  }
}

describe('the image worker, given damaged files', () => {
  let corpus: readonly Original[];
  let workbench: ImageWorkbench<Numbered>;
  const tally = new Tally();
  let folder: string | null = null;

  beforeAll(async () => {
    corpus = await makeCorpus();
    workbench = new ImageWorkbench<Numbered>({
      environment: {
        IMAGE_MAX_PIXELS: String(MAX_PIXELS),
        PROCESSING_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
      },
      patienceMs: PATIENCE_MS,
    });
  });

  afterAll(async () => {
    await workbench.close();
    printFigures(`Image fuzzer, seed ${seed}`, {
      files: count,
      ready: tally.ready,
      ...Object.fromEntries([...tally.failed].map(([code, files]) => [`failed: ${code}`, files])),
      'slowest ms': Math.round(tally.slowestMs),
      'peak RSS MB': Math.round(workbench.peakMegabytes),
      crashes: workbench.deaths.length,
      'to repeat': `npm run fuzz:images -- --count ${count} --seed ${seed}`,
    });
  });

  /** Kept where whoever reads the report finds it, with the way to make it again. */
  async function report(mutant: Numbered, flaw: string): Promise<void> {
    folder ??= await mkdtemp(join(tmpdir(), 'mediadock-image-fuzz-'));
    const path = join(folder, `${mutant.seed}.${mutant.mimeType.slice(-4).replace(/\W/g, '')}`);
    await writeFile(path, mutant.bytes);
    tally.flaws.push(
      `${flaw}\n  ${mutant.history}, declared as ${mutant.mimeType}\n  ${path}\n` +
        `  npm run fuzz:images -- --count 1 --seed ${mutant.seed}`,
    );
  }

  async function take(indices: Iterator<number>): Promise<void> {
    for (let next = indices.next(); next.done !== true; next = indices.next()) {
      const number = seedOfFile(seed, next.value);
      const mutant = { ...makeMutant(number, corpus), seed: number };
      const result = await workbench.process(mutant);
      tally.add(result);
      const flaw = await flawOf(mutant, result.outcome, MAX_PIXELS);
      if (flaw !== null) {
        await report(mutant, flaw);
      }
    }
  }

  it(
    'makes derivatives of each, or fails it with a documented code, whatever was done to it',
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const indices = Array.from({ length: count }, (_, index) => index).values();
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => take(indices)));
      expect(tally.flaws.join('\n\n')).toBe('');
    },
  );

  it('never takes the process with it', async () => {
    for (const { detail, suspects } of workbench.deaths) {
      for (const suspect of suspects) {
        await report(suspect, `One of ${suspects.length} that ended the process together: ${detail}`);
      }
    }
    expect(workbench.deaths.map(({ detail }) => detail)).toEqual([]);
  });

  it('stays within its memory', () => {
    expect(workbench.peakMegabytes).toBeLessThan(MAX_MEGABYTES);
  });
});

interface Row {
  readonly id: string;
  readonly file_size: string;
}

/** What the direct route may say of a file that it does not even take. */
const REFUSALS = ['415 type_mismatch', '415 invalid_type', '413 file_too_large', '400 validation_failed'];
const ENDS = [
  'ready, 2 derivatives',
  ...Object.keys(CODES).map((code) => `failed with ${code}, 0 derivatives`),
];

function endOf({ status, processingError, thumbnailUrl, mediumUrl }: MediaFileDto): string {
  const fault = processingError === null ? '' : ` with ${processingError}`;
  return `${status}${fault}, ${[thumbnailUrl, mediumUrl].filter((url) => url !== null).length} derivatives`;
}

describe('the whole application, given damaged files', () => {
  const SAMPLE = 60;
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp({ WORKER_CONCURRENCY: String(IN_FLIGHT) });
  });
  afterAll(async () => mediadock.close());

  function rows(condition: string): Promise<Row[]> {
    return mediadock.database.query<Row>(`select id, file_size from media_files where ${condition}`);
  }

  async function upload(owner: ApiClient) {
    const corpus = await makeCorpus();
    const accepted = new Set<string>();
    const refusals: string[] = [];
    for (let index = 0; index < SAMPLE; index += 1) {
      const { bytes, mimeType } = makeMutant(seedOfFile(seed, index), corpus);
      const { status, body } = await owner.uploadDirect<{ id?: string; code?: string }>(bytes, mimeType);
      if (status === 201 || status === 200) {
        accepted.add(String(body.id));
      } else {
        refusals.push(`${status} ${body.code}`);
      }
    }
    return { accepted: [...accepted], refusals };
  }

  it('settles each one that it takes, counts what is ready, and keeps no bytes of what is not', async () => {
    const owner = mediadock.as('somebody with broken files');
    const { accepted, refusals } = await upload(owner);
    expect(REFUSALS).toEqual(expect.arrayContaining(refusals));
    expect(accepted.length).toBeGreaterThan(SAMPLE / 4);
    const settled = await Promise.all(accepted.map(async (id) => owner.settled(id)));
    expect(ENDS).toEqual(expect.arrayContaining(settled.map(endOf)));

    const ready = await rows("status = 'ready'");
    const usedBytes = ready.reduce((sum, { file_size }) => sum + Number(file_size), 0);
    expect(ready).toHaveLength(settled.filter(({ status }) => status === 'ready').length);
    expect(await owner.quota()).toMatchObject({ usedBytes, reservedBytes: 0 });

    await until(
      async () => ((await rows("status <> 'ready' and purged_at is null")).length === 0 ? true : null),
      'failed files to be purged',
    );
    const objects = (await mediadock.stack.objects()).filter((path) => path.startsWith('media/'));
    const ofReady = ready.map(({ id }) => objects.filter((path) => path.includes(id)).length);
    expect(ofReady).toEqual(ready.map(() => 3));
    expect(objects).toHaveLength(ready.length * 3);
  });
});
