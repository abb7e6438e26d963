import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigError } from '../config/parse-environment.js';

/** A mistake of whoever typed the command; shown as it is, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs a command to its exit code, and says in words what went wrong. */
export async function runCommand(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    const expected = error instanceof UsageError || error instanceof ConfigError;
    const text =
      error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

/** @throws UsageError for what the command does not know */
export function readArguments<const Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch {
    throw new UsageError(usage);
  }
}
