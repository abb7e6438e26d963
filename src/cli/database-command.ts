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
