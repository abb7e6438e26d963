import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../app.module.js';
import { parseEnvironment } from '../config/parse-environment.js';
import { setRoutes } from '../configure-app.js';
import { buildOpenApi } from '../openapi-document.js';
import { runCommand } from './command.js';

const FILE = 'openapi.json';

/**
 * Writes the API document. Of the default configuration, whatever this machine's environment says, so that the file
 * is the same everywhere; and in preview mode, so that nothing is started for it.
 */
await runCommand(async () => {
  const app = await NestFactory.create(
    AppModule.forRoot(parseEnvironment({}), { jwtSecret: null, storageSigningKey: null }),
    {
      preview: true,
      logger: ['fatal', 'error'],
      abortOnError: false,
    },
  );
  setRoutes(app);
  await writeFile(FILE, `${JSON.stringify(buildOpenApi(app), null, 2)}\n`);
  process.stdout.write(`Wrote ${FILE}\n`);
});
