import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { freePort } from '../common/free-port.js';
import { ProblemFilter } from '../common/problem.filter.js';
import type { AppConfig } from '../config/app-config.js';
import type { Secrets } from '../config/secrets.js';
import { createLocalStorage } from '../storage/create-object-storage.js';
import { LocalObjectStorage } from '../storage/local/local-object-storage.js';
import { LocalStorageController } from '../storage/local/local-storage.controller.js';

@Module({})
class LocalUrlModule {}

/**
 * Serves the signed URLs of the local driver on a port of its own, so that they can be tried whether or not
 * Mediadock runs.
 */
export async function withLocalUrls<Result>(
  config: AppConfig,
  secrets: Secrets,
  work: (storage: LocalObjectStorage) => Promise<Result>,
): Promise<Result> {
  const port = await freePort();
  const storage = createLocalStorage(config, secrets, `http://127.0.0.1:${port}`);
  const app = await NestFactory.create<NestExpressApplication>(
    {
      module: LocalUrlModule,
      controllers: [LocalStorageController],
      providers: [{ provide: LocalObjectStorage, useValue: storage }],
    },
    { logger: false, bodyParser: false, abortOnError: false },
  );
  app.setGlobalPrefix('v1');
  app.useGlobalFilters(new ProblemFilter());
  try {
    await app.listen(port, '127.0.0.1');
    return await work(storage);
  } finally {
    app.getHttpServer().closeAllConnections();
    await app.close();
  }
}
