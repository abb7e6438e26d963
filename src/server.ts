import type { Server } from 'node:http';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module.js';
import { startBanner } from './banner.js';
import type { AppConfig } from './config/app-config.js';
import { loadSecrets } from './config/secrets.js';
import { configureApp } from './configure-app.js';

/** Requests under way get this long to end by themselves, then their connections are cut. */
const CONNECTION_GRACE_MS = 4_000;
/** Whatever happens, the process is gone before the ten seconds that a supervisor gives it. */
const HARD_STOP_MS = 9_000;

/** Starts everything, and ends it on SIGTERM and SIGINT, also when one comes in the middle of the start. */
export async function startServer(config: AppConfig): Promise<void> {
  const signalled = firstSignal();
  const app = await createApp(config);
  void signalled.then((signal) => stop(app, signal));
  try {
    await app.listen(config.http.port, config.http.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  // The banner is for a person, who looks at the end of what was printed.
  app.flushLogs();
  process.stdout.write(startBanner(config));
}

async function createApp(config: AppConfig): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forRoot(config, await loadSecrets(config)),
    {
      bufferLogs: true,
      bodyParser: false,
      abortOnError: false,
    },
  );
  app.useLogger(app.get(Logger));
  await configureApp(app, config);
  return app;
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stopBy = (signal: NodeJS.Signals) => {
      // Counted from the signal: a start can take longer, with a database that recovers for two minutes.
      setTimeout(() => process.exit(1), HARD_STOP_MS).unref();
      resolve(signal);
    };
    process.on('SIGTERM', stopBy);
    process.on('SIGINT', stopBy);
  });
}

async function stop(app: NestExpressApplication, signal: NodeJS.Signals): Promise<void> {
  const logger = app.get(Logger);
  const server: Server = app.getHttpServer();
  logger.log(`Stopping on ${signal}`);
  setTimeout(() => server.closeAllConnections(), CONNECTION_GRACE_MS).unref();
  try {
    // No new connections from here on; app.close() then drains the queue and closes the rest, the database last.
    server.close();
    await app.close();
    process.exit(0);
  } catch (error) {
    logger.error({ err: error }, 'The shutdown did not go cleanly');
    process.exit(1);
  }
}
