import 'reflect-metadata';
import type { AppConfig } from '../config/app-config.js';
import { readEnvironment } from '../config/read-environment.js';
import { StorageUnavailableError } from '../storage/storage.errors.js';
import { readArguments, runCommand } from './command.js';

const USAGE = 'Usage: npm run storage:setup -- [--dry-run] [--location=EUROPE-WEST3]';

/** Creates the buckets of Google Cloud Storage, or makes of existing ones what they have to be. */
await runCommand(async () => {
  const { dryRun, location } = readFlags();
  const config = readEnvironment();
  if (config.storage.driver === 'local') {
    say('Files are kept on the local disk (STORAGE_DRIVER=local): there is nothing to set up');
    return;
  }
  try {
    await setUp(config, location, dryRun);
  } catch (error) {
    if (!(error instanceof StorageUnavailableError)) {
      throw error;
    }
    const reason = error.cause instanceof Error ? error.cause.message : 'no reason was given';
    process.stderr.write(`Google Cloud Storage did not do it: ${reason}\n`);
    process.exitCode = 1;
  }
});

async function setUp(config: AppConfig, location: string | null, dryRun: boolean): Promise<void> {
  // The client is large, and most commands have no need of it.
  const { setUpBuckets } = await import('../storage/gcs/bucket-setup.js');
  for await (const sentence of setUpBuckets(config, { location, dryRun })) {
    say(sentence);
  }
  say(dryRun ? 'Nothing was changed' : 'Done');
}

function readFlags(): { dryRun: boolean; location: string | null } {
  const { values } = readArguments(USAGE, {
    options: { 'dry-run': { type: 'boolean', default: false }, location: { type: 'string' } },
  });
  return { dryRun: values['dry-run'], location: values.location ?? null };
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`);
}
