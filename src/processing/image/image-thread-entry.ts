import { parentPort, workerData } from 'node:worker_threads';
import { ImageProcessor } from './image-processor.js';
import { failureOf, type ImageOrder, type ImageReport, type ThreadOptions } from './image-thread-messages.js';

/** What runs in the thread of an `ImageThread`, and nowhere else. */

const port = parentPort;
if (port === null) {
  throw new Error('This file is the entry of a thread');
}
const limits: ThreadOptions = workerData;
const processor = new ImageProcessor(limits);

async function carryOut({ id, bytes, mimeType }: ImageOrder): Promise<ImageReport> {
  try {
    return { id, image: await processor.process(Buffer.from(bytes), mimeType) };
  } catch (error) {
    return { id, failure: failureOf(error) };
  }
}

port.on('message', (order: ImageOrder) => {
  void carryOut(order).then((report) => port.postMessage(report));
});
