import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { OnApplicationShutdown } from '@nestjs/common';
import { type ImageLimits, ImagePipeline, type ProcessedImage } from './image-pipeline.js';
import { errorOf, type ImageOrder, type ImageReport } from './image-thread-messages.js';

/**
 * Every image passes through tens of megabytes of short-lived buffers, which make V8 collect its garbage all the time. In the
 * main thread, with everything that an application consists of in its heap, that takes a third of the time of an image
 * (docs/benchmarks.md). In a thread of its own, the heap is next to empty, and requests do not wait meanwhile either.
 */
export class ImageThread extends ImagePipeline implements OnApplicationShutdown {
  private readonly waiting = new Map<number, PromiseWithResolvers<ProcessedImage>>();
  private worker: Worker | null = null;
  private nextId = 0;

  /** @param entry the compiled `image-thread-entry.ts` */
  constructor(
    private readonly limits: ImageLimits,
    private readonly entry: URL,
  ) {
    super();
  }

  override process(original: Buffer<ArrayBuffer>, declaredMimeType: string): Promise<ProcessedImage> {
    this.worker ??= this.start();
    const id = this.nextId++;
    const outcome = Promise.withResolvers<ProcessedImage>();
    this.waiting.set(id, outcome);
    const order: ImageOrder = { id, bytes: original.buffer, mimeType: declaredMimeType };
    this.worker.postMessage(order, [original.buffer]);
    return outcome.promise;
  }

  /** Jobs have been drained by now; what is still at work is taken over by another process. */
  async onApplicationShutdown(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(this.entry, {
      workerData: this.limits,
      // libvips reads the environment of the process, which a copy of it would not reach.
      env: SHARE_ENV,
    });
    // It is not what a process is there for: nobody has to wait for it to end.
    worker.unref();
    worker.on('message', (report: ImageReport) => this.settle(report));
    worker.on('error', (error) => this.lose(worker, error));
    worker.on('exit', () => this.lose(worker, new Error('The thread for images has ended')));
    return worker;
  }

  private settle(report: ImageReport): void {
    const outcome = this.waiting.get(report.id);
    this.waiting.delete(report.id);
    if ('image' in report) {
      const { thumbnail, medium, ...rest } = report.image;
      // What passes between threads as a Buffer arrives as the bytes that it is made of.
      outcome?.resolve({ ...rest, thumbnail: Buffer.from(thumbnail), medium: Buffer.from(medium) });
    } else {
      outcome?.reject(errorOf(report.failure));
    }
  }

  /** The jobs will be tried again, in a new thread. */
  private lose(worker: Worker, reason: Error): void {
    if (this.worker !== worker) {
      return;
    }
    this.worker = null;
    for (const outcome of this.waiting.values()) {
      outcome.reject(reason);
    }
    this.waiting.clear();
  }
}
