import { PassThrough, pipeline, Readable } from 'node:stream';
import { CRC32C, type File } from '@google-cloud/storage';
import type { ObjectHead } from '../object-storage.js';
import { StorageUnavailableError } from '../storage.errors.js';
import { DeadlineError, type OutgoingRequests } from './deadline.js';
import { MediaResponseError } from './gcs-errors.js';

/** The bytes of an object on their way, after a good answer began. */
interface OpenObject {
  readonly body: Readable;
  /** Base64; null when the answer did not name one, or is only a part of the object. */
  readonly crc32c: string | null;
  readonly headers: MediaAnswer['headers'];
}

interface MediaAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** As much of a refusal as is worth keeping in a log. */
const REFUSAL_BYTES = 1_000;
/** Of the whole object, behind the part that was sent (RFC 9110, 14.4). */
const WHOLE_SIZE = /^bytes \d+-\d+\/(\d+)$/;
const CRC32C_HASH = /(?:^|[\s,])crc32c=([\w+/]+=*)/;

/**
 * Opens an object whole. Resolves once a good answer has begun; to be run as one attempt of `GcsCalls`.
 *
 * The stream fails with `StorageUnavailableError` when the download breaks off, stalls, or does not add up to the
 * checksum that the store has of the object. Closing it early cuts its connection, and no other.
 */
export async function openObject(
  file: File,
  requests: OutgoingRequests,
  stallTimeoutMs: number,
): Promise<Readable> {
  const object = await requestMedia(file);
  const readable = Readable.from(verified(object, stallTimeoutMs), { objectMode: false });
  readable.once('close', () => {
    object.body.destroy();
    requests.destroy();
  });
  return readable;
}

/** Reads the first bytes of an object, as one attempt. @returns null when it has none, for then there is no part to send */
export async function readFirstBytes(
  file: File,
  requests: OutgoingRequests,
  length: number,
): Promise<ObjectHead | null> {
  try {
    const { body, headers } = await requestMedia(file, { Range: `bytes=0-${Math.max(length, 1) - 1}` });
    return { ...measuredIn(headers), bytes: await takeFirst(body, length) };
  } catch (error) {
    if (error instanceof MediaResponseError && error.code === 416) {
      return null;
    }
    throw error;
  } finally {
    requests.destroy();
  }
}

/** The same answer says what the bytes are a part of, which saves asking for it. */
function measuredIn(headers: MediaAnswer['headers']): Omit<ObjectHead, 'bytes'> {
  const [, size] = WHOLE_SIZE.exec(headers['content-range'] ?? '') ?? [];
  const generation = headers['x-goog-generation'];
  if (size === undefined || generation === undefined) {
    throw new MediaResponseError(502, 'The answer does not say which object it is a part of');
  }
  return { size: Number(size), generation };
}

/**
 * Asks for the bytes as they are stored: an upload that claims to be compressed is not unpacked, neither by the store
 * nor here.
 *
 * The client's own `createReadStream` is out of the question: when one of its streams is given up, it cuts every
 * connection that the process has to the store.
 */
async function requestMedia(file: File, headers: Record<string, string> = {}): Promise<OpenObject> {
  const request = file.requestStream({
    uri: '',
    qs: { alt: 'media' },
    headers: { 'Accept-Encoding': 'gzip', ...headers },
  });
  const body = new PassThrough();
  pipeline(request, body, () => undefined);
  const answer = await new Promise<MediaAnswer>((resolve, reject) => {
    request.once('response', resolve);
    // Whatever fails later reaches whoever reads the body.
    body.once('error', reject);
  });
  if (answer.statusCode >= 300) {
    throw new MediaResponseError(
      answer.statusCode,
      (await takeFirst(body, REFUSAL_BYTES)).toString() || `Answered with ${answer.statusCode}`,
    );
  }
  const [, crc32c = null] = CRC32C_HASH.exec(answer.headers['x-goog-hash'] ?? '') ?? [];
  return { body, crc32c, headers: answer.headers };
}

async function takeFirst(body: Readable, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= length) {
      break;
    }
  }
  return Buffer.concat(chunks).subarray(0, length);
}

async function* verified({ body, crc32c }: OpenObject, stallTimeoutMs: number): AsyncGenerator<Buffer> {
  const checksum = new CRC32C();
  try {
    for await (const chunk of withoutStalls(body, stallTimeoutMs)) {
      checksum.update(chunk);
      yield chunk;
    }
  } catch (cause) {
    throw new StorageUnavailableError('openRead', { cause });
  }
  if (crc32c !== null && !checksum.validate(crc32c)) {
    throw new StorageUnavailableError('openRead', {
      cause: new Error('The bytes do not match their checksum'),
    });
  }
}

/** The clock runs only while a chunk is waited for: a slow reader is no stall. */
async function* withoutStalls(body: Readable, stallTimeoutMs: number): AsyncGenerator<Buffer> {
  const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  for (;;) {
    const timer = setTimeout(() => body.destroy(new DeadlineError(stallTimeoutMs)), stallTimeoutMs);
    let next: IteratorResult<Buffer>;
    try {
      next = await chunks.next();
    } finally {
      clearTimeout(timer);
    }
    if (next.done === true) {
      return;
    }
    yield next.value;
  }
}
