import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locateServerPackage, prepareBinaries } from './embedded-binaries.js';
import { prepareCluster } from './embedded-cluster.js';
import { clusterOf, findPlace } from './embedded-place.js';
import { ServerProcess } from './embedded-server.js';
import type { ServerSpec } from './embedded-server.js';

const TOO_LARGE = 10 * 1024 * 1024 + 1;

let base: string;
let spec: ServerSpec;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'mediadock-server-'));
  await chmod(base, 0o755);
  const place = await findPlace(base, [base]);
  const binaries = await prepareBinaries(locateServerPackage(), place.account, [base]);
  spec = {
    postgres: binaries.postgres,
    cluster: clusterOf(place.area),
    account: place.account,
    password: await prepareCluster(binaries, place),
    logFile: join(place.area, 'postgres.log'),
  };
});

afterEach(() => rm(base, { recursive: true, force: true }));

describe(ServerProcess.name, () => {
  it('tries another port when somebody takes the one it chose', async () => {
    const thief = await listen();
    const free = await listen();
    const port = portOf(free);
    const candidates = [portOf(thief), port];
    free.close();
    await once(free, 'close');

    const server = await ServerProcess.start({ ...spec, pickPort: async () => candidates.shift() ?? 0 });
    await server.stop();
    thief.close();

    expect(candidates).toEqual([]);
    expect(server.port).toBe(port);
  });

  it('sets a log aside that has grown too large', async () => {
    await writeFile(spec.logFile, Buffer.alloc(TOO_LARGE));

    const server = await ServerProcess.start(spec);
    await server.stop();

    expect((await stat(`${spec.logFile}.1`)).size).toBe(TOO_LARGE);
    expect(await readFile(spec.logFile, 'utf8')).toMatch(/database system is shut down\n$/);
  });

  it('fails at once when the program cannot be started', async () => {
    await expect(ServerProcess.start({ ...spec, postgres: join(base, 'missing') })).rejects.toThrow(
      'it ended at once',
    );
  });
});

async function listen(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}
