import type { ChildServer } from './child-server.js';
import { confirmAll } from './confirm-all.js';
import type { Scene, Workload } from './workload.js';

/** Pixels: next to no work for codecs. */
const WIDTH = 64;
/** Uploaded, confirmed and processed before the next ones. */
const BATCH = 250;

/**
 * The worker that stands by for all workloads of images. As with requests, one that has just been started is not what anybody
 * wants to know: some thousand small pictures come first, each of which is a job with all that belongs to it.
 */
export class WarmWorker {
  private server: ChildServer | null = null;

  /** @returns null, and ends it, for a workload that has no need of it */
  async standFor({ needsWorker }: Workload, scene: Scene): Promise<ChildServer | null> {
    if (needsWorker) {
      return this.start(scene);
    }
    await this.server?.stop();
    this.server = null;
    return null;
  }

  private async start(scene: Scene): Promise<ChildServer> {
    if (this.server === null) {
      this.server = await scene.stage.service('worker', { ROLE: 'worker' });
      const picture = await scene.corpus.jpegOfWidth(WIDTH);
      for (let left = scene.scale.warmUpImages; left > 0; left -= BATCH) {
        await confirmAll(scene, Array<Buffer>(Math.min(left, BATCH)).fill(picture));
      }
    }
    return this.server;
  }
}
