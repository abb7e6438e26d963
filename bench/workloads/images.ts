import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BareSharp } from '../bare-sharp.js';
import { clientOf, confirmAll } from '../confirm-all.js';
import { atLeast, atMost } from '../result.js';
import { compareAfterTurns } from '../rounds.js';
import type { Scale } from '../scale.js';
import type { Workload } from '../workload.js';

/** Images that bare sharp has in flight; how many the service takes is its own affair. */
const AT_ONCE = 2;

/** The worker is warm by then; this is for the pages of memory that a large picture takes. */
const SINGLE_WARM_UP_TURNS = 4;

const FLOOR = `bare sharp, one decode for both outputs, files in memory, ${AT_ONCE} at a time`;

interface Batch {
  readonly photos: readonly Buffer[];
  readonly paths: readonly string[];
  readonly remove: () => Promise<void>;
}

/** The same photos for the service, which gets them by HTTP, and for bare sharp, which reads them into memory first. */
async function prepare(photos: readonly Buffer[]): Promise<Batch> {
  const folder = await mkdtemp(join(tmpdir(), 'mediadock-bench-photos-'));
  const paths = photos.map((_, index) => join(folder, `${index}.jpg`));
  await Promise.all(paths.map((path, index) => writeFile(path, photos[index] ?? '')));
  return { photos, paths, remove: () => rm(folder, { recursive: true, force: true }) };
}

export function imageBatch(
  id: string,
  size: '2 MP' | '12 MP',
  count: (scale: Scale) => number,
  bareSharp: () => BareSharp,
): Workload {
  return {
    id,
    title: `JPEGs of ${size} from confirm to ready`,
    rounds: (scale) => scale.imageRounds,
    needsWorker: true,
    async run(scene) {
      const batch = await prepare(await scene.corpus.jpegs(size, count(scene.scale)));
      try {
        const perSecond = (milliseconds: number) => ({
          value: (batch.photos.length * 1000) / milliseconds,
        });
        const figures = await compareAfterTurns(
          1,
          scene.scale.imageRounds,
          {
            floor: async () => perSecond(await bareSharp().render(batch.paths, AT_ONCE)),
            service: async () => perSecond(await confirmAll(scene, batch.photos)),
          },
          scene.onRound,
        );
        return {
          id,
          title: `${batch.photos.length} JPEGs of ${size}, from confirm to ready`,
          floor: FLOOR,
          unit: 'images/s',
          figures,
          targets: [atLeast('images/s', figures.ratio, 0.9)],
        };
      } finally {
        await batch.remove();
      }
    },
  };
}

export function singleImage(bareSharp: () => BareSharp): Workload {
  return {
    id: 'image-single',
    title: 'One JPEG of 12 MP on an idle service, from confirm until the client sees it ready',
    rounds: (scale) => scale.singleRounds,
    needsWorker: true,
    async run(scene) {
      const batch = await prepare(await scene.corpus.jpegs('12 MP', 1));
      try {
        const client = clientOf(scene);
        const service = async () => {
          const [id] = await client.putAll(batch.photos);
          const started = performance.now();
          await client.confirm(id ?? '');
          await client.waitUntilReady(id ?? '');
          return { value: performance.now() - started };
        };
        const floor = async () => ({ value: await bareSharp().render(batch.paths, 1) });
        const { singleRounds } = scene.scale;
        const figures = await compareAfterTurns(
          SINGLE_WARM_UP_TURNS,
          singleRounds,
          { floor, service },
          scene.onRound,
        );
        return {
          id: this.id,
          title: this.title,
          floor: 'bare sharp, one decode for both outputs, the file in memory',
          unit: 'ms',
          figures,
          targets: [atMost('time', figures.ratio, 1.4, '× floor')],
        };
      } finally {
        await batch.remove();
      }
    },
  };
}
