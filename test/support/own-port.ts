import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that the kernel gives out by itself (from 32,768 on): a port from there could go to any test that runs beside
 * this one, before the server for which it is meant, or while that is away for a moment.
 */
const FIRST = 10_000;
const PORTS_OF_A_WORKER = 2_000;
const WORKERS = 10;

let tried = Math.floor(Math.random() * PORTS_OF_A_WORKER);

/** A loopback port for a server of this test, which may stop and start on it. */
export async function ownPort(): Promise<number> {
  const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS;
  for (let round = 0; round < PORTS_OF_A_WORKER; round += 1) {
    tried = (tried + 1) % PORTS_OF_A_WORKER;
    const port = FIRST + worker * PORTS_OF_A_WORKER + tried;
    if (await isFree(port)) {
      return port;
    }
  }
  throw new Error('Every port of this worker is taken');
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    await once(probe.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
