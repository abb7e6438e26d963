import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from '../../src/app.module.js';
import { ownPort } from './own-port.js';
import type { AppConfig } from '../../src/config/app-config.js';
import { parseEnvironment, type RawEnvironment } from '../../src/config/parse-environment.js';
import { loadSecrets } from '../../src/config/secrets.js';
import { configureApp } from '../../src/configure-app.js';
import { ApiClient } from './api-client.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { startTestStack, type TestStack } from './test-stack.js';
import { TEST_SECRET, tokenFor } from './tokens.js';

export interface TestApp {
  readonly app: NestExpressApplication;
  readonly config: AppConfig;
  readonly database: TestDatabase;
  readonly dataDir: string;
  /** Its queue and its storage. */
  readonly stack: TestStack;
  readonly baseUrl: string;
  /** A client that is signed in as this subject. */
  as(subject: string): ApiClient;
  /** A client without a token. */
  anonymous(): ApiClient;
  /**
   * Ends it as a signal would, and starts another one on the same port, database and data folder, with the same
   * settings. Requests under way are finished, their jobs are not. Whoever calls this goes on with the new one, and
   * closes only that.
   */
  restart(): Promise<TestApp>;
  close(): Promise<void>;
}

const CLOSE_IDLE_EVERY_MS = 5;

/** What stays when a process ends. */
type Ground = Pick<TestApp, 'config' | 'database' | 'dataDir' | 'stack'>;

/** The whole application on a free port, with a database and a data folder of its own. All of it real. */
export async function startTestApp(environment: RawEnvironment = {}): Promise<TestApp> {
  const database = await createTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'mediadock-app-'));
  const stack = await startTestStack(dataDir, environment);
  const config = parseEnvironment({
    NODE_ENV: 'test',
    PORT: String(await ownPort()),
    LOG_LEVEL: 'silent',
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    JWT_SECRET: TEST_SECRET,
    RATE_LIMIT_PER_MINUTE: '100000',
    ...stack.environment,
    ...environment,
  });
  return startOn({ config, database, dataDir, stack });
}

async function startOn(ground: Ground): Promise<TestApp> {
  const { config, database, dataDir, stack } = ground;
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forRoot(config, await loadSecrets(config)),
    {
      bodyParser: false,
      logger: false,
      abortOnError: false,
    },
  );
  await configureApp(app, config);
  await app.listen(config.http.port, config.http.host);
  const baseUrl = config.http.publicBaseUrl;
  return {
    ...ground,
    app,
    baseUrl,
    as: (subject) => new ApiClient(baseUrl, tokenFor(subject)),
    anonymous: () => new ApiClient(baseUrl, null),
    restart: async () => {
      await endGently(app);
      return startOn(ground);
    },
    close: async () => {
      app.getHttpServer().closeAllConnections();
      await app.close();
      await stack.close();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Clients hold connections that they do not use: these do not keep it, while a request under way does. */
async function endGently(app: NestExpressApplication): Promise<void> {
  const server: Server = app.getHttpServer();
  const timer = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
  try {
    await app.close();
  } finally {
    clearInterval(timer);
  }
}
