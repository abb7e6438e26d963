import { MikroOrmModule } from '@mikro-orm/nestjs';
import { MikroORM, PostgreSqlDriver } from '@mikro-orm/postgresql';
import { type DynamicModule, Inject, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Database } from './database.js';
import { DatabaseServer, type DatabaseServerMode } from './database-server.js';
import { migrate } from './migrate.js';
import { ormOptions, AS_COMMANDS_DO, AS_REQUESTS_DO } from './orm-options.js';
import { PreparedStatements } from './prepared-statements.js';

/** Below the ORM, so that on the way down the ORM lets go of its connections before the server stops. */
@Module({})
class DatabaseServerModule {
  static forRoot(mode: DatabaseServerMode): DynamicModule {
    return {
      module: DatabaseServerModule,
      global: true,
      providers: [
        {
          provide: DatabaseServer,
          inject: [APP_CONFIG],
          useFactory: (config: AppConfig) => DatabaseServer.open(config, mode),
        },
      ],
      exports: [DatabaseServer],
    };
  }
}

/** The connection, an up-to-date schema, and `Database` for whoever asks. */
@Module({})
export class DatabaseModule implements OnModuleInit {
  private readonly logger = new Logger(DatabaseModule.name);

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly server: DatabaseServer,
  ) {}

  static forRoot(mode: DatabaseServerMode): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      imports: [
        DatabaseServerModule.forRoot(mode),
        MikroOrmModule.forRootAsync({
          driver: PostgreSqlDriver,
          inject: [DatabaseServer, APP_CONFIG],
          useFactory: (server: DatabaseServer, config: AppConfig) => ({
            ...ormOptions(
              server.url,
              config.database.poolSize,
              mode === 'own' ? AS_REQUESTS_DO : AS_COMMANDS_DO,
            ),
            autoLoadEntities: true,
            // No request loads entities into a unit of work, so none needs an identity map of its own.
            registerRequestContext: false,
          }),
        }),
      ],
      providers: [
        {
          provide: Database,
          inject: [MikroORM, DatabaseServer],
          useFactory: async (orm: MikroORM, server: DatabaseServer) =>
            new Database(await PreparedStatements.on(orm, server.url === server.directUrl)),
        },
      ],
      exports: [Database],
    };
  }

  async onModuleInit(): Promise<void> {
    const applied = await migrate(this.orm, this.server.directUrl);
    if (applied.length > 0) {
      this.logger.log(`Applied migrations: ${applied.join(', ')}`);
    }
  }
}
