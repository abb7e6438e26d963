import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../common/new-id.js';
import type { AppConfig } from '../config/app-config.js';
import { originalKey } from '../storage/object-key.js';
import type { ObjectStorage } from '../storage/object-storage.js';
import { type Finding, ok, problem, reasonOf, warning } from './finding.js';

const BODY = Buffer.from('Mediadock was here');
const TYPE = 'image/png';
const WINDOW_MS = 120_000;
const PUT_TIMEOUT_MS = 15_000;
/** V4 signatures are refused when the clocks are 15 minutes apart; short windows suffer long before. */
const MAX_SKEW_MS = 30_000;

/** Both areas answer, we may sign, and what a client does with a signed URL works: PUT, look, no second PUT, delete. */
export async function checkStorage(config: AppConfig, storage: ObjectStorage): Promise<Finding[]> {
  try {
    await storage.check();
  } catch (error) {
    return [problem('storage', `The areas cannot be reached: ${reasonOf(error)}`, remedyFor(config))];
  }
  const found = [
    ok('storage', `Both areas answer: ${storage.bucketOf('uploads')}, ${storage.bucketOf('media')}`),
  ];
  return [...found, ...(await roundTrip(config, storage))];
}

async function roundTrip(config: AppConfig, storage: ObjectStorage): Promise<Finding[]> {
  const key = originalKey({
    userId: newId(),
    mediaType: 'image',
    createdAt: new Date(),
    mediaFileId: newId(),
    extension: 'png',
  });
  try {
    const upload = await storage.signUpload({
      key,
      contentType: TYPE,
      contentLength: BODY.length,
      expiresAt: new Date(Date.now() + WINDOW_MS),
    });
    const first = await put(upload.url, upload.headers);
    if (!first.ok) {
      return [
        problem(
          'signed PUT',
          `It was answered with ${first.status}: ${first.text.slice(0, 300)}`,
          remedyFor(config),
        ),
      ];
    }
    const stat = await storage.stat('uploads', key);
    const second = await put(upload.url, upload.headers);
    return [
      stat?.size === BODY.length
        ? ok('signed PUT', 'A file was put through a signed URL and is there')
        : problem('signed PUT', 'A file was put through a signed URL but is not there', remedyFor(config)),
      second.status === 412
        ? ok('no overwrite', 'The same URL was refused the second time')
        : problem(
            'no overwrite',
            `The same URL was answered with ${second.status} the second time, not 412`,
            'Let nothing between clients and storage drop the x-goog headers',
          ),
      skewFinding(first),
    ];
  } catch (error) {
    return [problem('signed PUT', `It did not succeed: ${reasonOf(error)}`, remedyFor(config))];
  } finally {
    await removeQuietly(storage, key);
  }
}

interface PutAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
  /** What the storage's clock said, in milliseconds since 1970; NaN when it did not say. */
  readonly storageTime: number;
}

async function put(url: string, headers: Readonly<Record<string, string>>): Promise<PutAnswer> {
  const response = await fetch(url, {
    method: 'PUT',
    headers: { ...headers },
    body: new Uint8Array(BODY),
    signal: AbortSignal.timeout(PUT_TIMEOUT_MS),
  });
  const text = await response.text();
  return {
    ok: response.ok,
    status: response.status,
    text,
    storageTime: Date.parse(response.headers.get('date') ?? ''),
  };
}

function skewFinding({ storageTime }: PutAnswer): Finding {
  const skewSeconds = Math.round(Math.abs(storageTime - Date.now()) / 1000);
  if (Number.isNaN(storageTime)) {
    return warning(
      'clock',
      'The storage does not say what time it is',
      'Check the clock of this machine by hand',
    );
  }
  return skewSeconds * 1000 <= MAX_SKEW_MS
    ? ok('clock', `This machine and the storage are at most ${Math.max(1, skewSeconds)} s apart`)
    : problem(
        'clock',
        `This machine and the storage are ${skewSeconds} s apart`,
        'Let NTP set the clock: signed URLs begin and end by it',
      );
}

async function removeQuietly(storage: ObjectStorage, key: string): Promise<void> {
  for (const pause of [0, 500]) {
    await sleep(pause);
    try {
      await storage.delete('uploads', key);
      return;
    } catch {
      // Tried once more; then the object goes with everything else that is a day old.
    }
  }
}

function remedyFor(config: AppConfig): string {
  return config.storage.driver === 'gcs'
    ? 'Check the credentials and their permissions on both buckets (docs/operations.md), then run "npm run storage:setup -- --dry-run"'
    : `Check that ${config.dataDir} can be written by this user and has room`;
}
