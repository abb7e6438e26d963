// A worker without its queue: takes files from its parent, does to each what the job `generate_thumbnails` does to the
// bytes, and answers what came of it. A process of its own, so that a decoder that crashes takes no test down with it.
// Its environment is the one of the application.
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { parseEnvironment } from '../../dist/src/config/parse-environment.js';
import { ImageProcessor } from '../../dist/src/processing/image/image-processor.js';
import { PermanentFault, ProcessingTimeout } from '../../dist/src/processing/image/processing-fault.js';
import { readOriginal } from '../../dist/src/processing/original-reader.js';

const config = parseEnvironment(process.env);
const images = new ImageProcessor({
  maxPixels: config.media.imageMaxPixels,
  timeoutSeconds: config.worker.processingTimeoutSeconds,
});

const STREAMED_BYTES = 64 * 1024;

function* chunksOf(bytes) {
  for (let at = 0; at < bytes.length; at += STREAMED_BYTES) {
    yield bytes.subarray(at, at + STREAMED_BYTES);
  }
}

async function outcomeOf({ bytes, fileSize, mimeType }) {
  try {
    const original = await readOriginal(Readable.from(chunksOf(bytes)), fileSize);
    return { kind: 'ready', image: await images.process(original, mimeType) };
  } catch (error) {
    if (error instanceof PermanentFault) {
      return { kind: 'failed', code: error.code, detail: error.message };
    }
    if (error instanceof ProcessingTimeout) {
      return { kind: 'timeout', detail: error.message };
    }
    return { kind: 'error', detail: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** The most memory this process ever had. What `getrusage` says would count its parent's as well. */
function peakMegabytes() {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kilobytes) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}

async function answer(file) {
  const started = performance.now();
  const outcome = await outcomeOf(file);
  const ms = performance.now() - started;
  process.send({ id: file.id, outcome, ms, peakMegabytes: peakMegabytes() });
}

process.on('message', (file) => void answer(file));
