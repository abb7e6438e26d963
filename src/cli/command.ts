import {
  ConsoleLogger,
  type DynamicModule,
  type INestApplicationContext,
  type LogLevel,
  Module,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommonModule } from '../common/common.module.js';
import type { AppConfig } from '../config/app-config.js';
import { AppConfigModule } from '../config/config.module.js';
import { ConfigError } from '../config/parse-environment.js';
import { readEnvironment } from '../config/read-environment.js';
import { loadSecrets, type Secrets } from '../config/secrets.js';
import { DatabaseModule } from '../database/database.module.js';
import { QuotaModule } from '../quota/quota.module.js';
import { UsersModule } from '../users/users.module.js';

@Module({})
class CommandModule {
  static forRoot(config: AppConfig, secrets: Secrets): DynamicModule {
    return {
      module: CommandModule,
      imports: [
        AppConfigModule.forRoot(config, secrets),
        CommonModule,
        DatabaseModule.forRoot('attach'),
        UsersModule,
        QuotaModule,
      ],
    };
  }
}

/** What a command prints may be piped on; what it has to say about itself goes elsewhere. */
class StderrLogger extends ConsoleLogger {
  protected override printMessages(messages: unknown[], context?: string, level?: LogLevel): void {
    super.printMessages(messages, context, level, 'stderr');
  }
}

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

/** Runs a command on the database, beside a running Mediadock or on its own. */
export async function withDatabase(work: (context: INestApplicationContext) => Promise<void>): Promise<void> {
  const config = readEnvironment();
  const context = await NestFactory.createApplicationContext(
    CommandModule.forRoot(config, await loadSecrets(config)),
    { logger: new StderrLogger({ logLevels: ['fatal', 'error', 'warn'] }), abortOnError: false },
  );
  try {
    await work(context);
  } finally {
    await context.close();
  }
}
