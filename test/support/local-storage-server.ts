import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsoleLogger, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ProblemFilter } from '../../src/common/problem.filter.js';
import {
  LocalObjectStorage,
  type LocalObjectStorageOptions,
} from '../../src/storage/local/local-object-storage.js';
import { LocalStorageController } from '../../src/storage/local/local-storage.controller.js';

export interface LocalStorageServer {
  readonly storage: LocalObjectStorage;
  /** Where the server listens, without a trailing slash. */
  readonly origin: string;
  readonly rootDir: string;
  /** What the application logged as a warning or an error. */
  readonly complaints: readonly unknown[];
  close(): Promise<void>;
}

/** The local driver in a folder of its own, with its controller behind a real HTTP server. */
export async function startLocalStorage(
  overrides: Partial<LocalObjectStorageOptions> = {},
): Promise<LocalStorageServer> {
  const folder = await mkdtemp(join(tmpdir(), 'mediadock-storage-'));
  // The port is part of the URLs that the storage signs, so the server is there before the application.
  let handle: RequestListener | undefined;
  const server = createServer((request, response) => handle?.(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const origin = originOf(server);
  const rootDir = join(folder, '.data', 'objects');
  const storage = new LocalObjectStorage({
    rootDir,
    bucket: 'media',
    uploadBucket: 'uploads',
    access: 'public',
    publicBaseUrl: `${origin}/v1/storage/media`,
    apiBaseUrl: origin,
    signingKey: randomBytes(32),
    readUrlTtlSeconds: 600,
    ...overrides,
  });
  const logger = new RecordingLogger();
  const app = await startApplication(storage, logger);
  const express: RequestListener = app.getHttpAdapter().getInstance();
  handle = express;
  return {
    storage,
    origin,
    rootDir,
    complaints: logger.complaints,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await app.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

class RecordingLogger extends ConsoleLogger {
  readonly complaints: unknown[] = [];

  constructor() {
    super({ logLevels: [] });
  }

  override warn(...parts: unknown[]): void {
    this.complaints.push(parts);
  }

  override error(...parts: unknown[]): void {
    this.complaints.push(parts);
  }
}

async function startApplication(
  storage: LocalObjectStorage,
  logger: RecordingLogger,
): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    controllers: [LocalStorageController],
    providers: [{ provide: LocalObjectStorage, useValue: storage }],
  }).compile();
  const app = module.createNestApplication({ logger });
  app.setGlobalPrefix('v1');
  app.useGlobalFilters(new ProblemFilter());
  return app.init();
}

function originOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('The server does not listen on a port');
  }
  return `http://127.0.0.1:${address.port}`;
}
