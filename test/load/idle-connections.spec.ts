import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionsWithin } from '../../src/connection-limits.js';
import { until } from '../support/api-client.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { tokenFor } from '../support/tokens.js';
import { connectMany, type RawClient } from './raw-client.js';
import { endlessHead, getRequest, jsonHead, putHead } from './requests.js';
import { Stage } from './stage.js';
import { descriptorLimit } from './vital-signs.js';

const { count, seconds, seed } = runOptions({ count: 1000, seconds: 0 });
/** For the probes, and for what the processes have open besides. */
const SPARE = 100;
const WAVES = 2;
/**
 * KiB for each connection that is open and did one request. Measured: 28 to 31 with 5,000, parser and stream objects
 * for the most part. Twice that, since a collection may be due.
 */
const KIB_PER_CONNECTION = 64;
/** MiB for the garbage of that many requests, and of the probes; measured: 30 to 90. */
const MEMORY_SLACK = 150;
const STOP_TIMEOUT_MS = 10_000;

const limit = await descriptorLimit();
/** Where fewer descriptors are to be had, fewer connections are opened, and the figures say so. */
const CONNECTIONS = Math.min(count, connectionsWithin(limit) - SPARE);

describe(`${CONNECTIONS} connections on which nothing happens`, () => {
  let stage: Stage;
  let crowd: RawClient[] = [];
  const figures: Record<string, number | string> = {};

  beforeAll(async () => {
    stage = await Stage.open();
  }, 120_000);
  afterAll(async () => {
    crowd.forEach((client) => client.leave());
    await stage.close();
  });

  it(
    'keep nobody else from being served, and give back all they took when they are closed',
    async () => {
      const memoryBefore = await stage.vitals.memory();
      const descriptorsBefore = await stage.vitals.descriptors();
      await stage.vitals.forgetPeak();
      const probes = await stage.probe();
      for (let wave = 1; wave <= WAVES; wave += 1) {
        await openCrowd();
        await sleep((seconds * 1000) / WAVES);
        figures[`descriptors in wave ${wave}`] = await stage.vitals.descriptors();
        expect(crowd.filter(({ closed }) => closed)).toEqual([]);
        crowd.forEach((client, index) => client[index % 2 === 0 ? 'leave' : 'reset']());
        // The probes keep a few connections of their own.
        figures[`descriptors after wave ${wave}`] = await until(async () => {
          const descriptors = await stage.vitals.descriptors();
          return descriptors <= descriptorsBefore + 20 ? descriptors : null;
        }, 'the descriptors to be given back');
      }
      await probes.stop();
      const peak = await stage.vitals.peakMemory();
      Object.assign(figures, {
        'probes answered': probes.answered,
        'probes failed': probes.failures.length,
        'MiB of memory before': memoryBefore,
        'MiB of memory at most': peak,
        'descriptors before': descriptorsBefore,
      });
      expect(probes.failures).toEqual([]);
      expect(probes.answered).toBeGreaterThan(0);
      expect(peak - memoryBefore).toBeLessThan((CONNECTIONS * KIB_PER_CONNECTION) / 1024 + MEMORY_SLACK);
    },
    seconds * 1000 + 120_000,
  );

  it('do not keep the process from ending within ten seconds, nor do those in the middle of something', async () => {
    await openCrowd();
    crowd.push(...(await openBusyOnes()));
    await until(
      async () => ((await stage.temporaryFiles()).length === 0 ? null : true),
      'a PUT to have begun',
    );
    const before = Date.now();
    expect(await stage.server.end('SIGTERM')).toBe(0);
    const took = Date.now() - before;
    expect(took).toBeLessThan(STOP_TIMEOUT_MS);
    printFigures(`Idle connections, seed ${seed}`, {
      'descriptor limit': limit,
      'connections asked for': count,
      'connections opened at once': CONNECTIONS,
      ...figures,
      'seconds until the process had ended with all of them open': (took / 1000).toFixed(1),
      'temporary files left': (await stage.temporaryFiles()).length,
    });
    expect(await stage.temporaryFiles()).toEqual([]);
  }, 60_000);

  /** Each of them has had an answer, as a browser's or a load balancer's has. */
  async function openCrowd(): Promise<void> {
    crowd = await connectMany(stage.port, CONNECTIONS);
    crowd.forEach((client) => client.send(getRequest('/health/live')));
    await until(
      async () => (crowd.every(({ status }) => status === 200) ? true : null),
      'every connection to have had an answer',
      60_000,
    );
  }

  async function openBusyOnes(): Promise<RawClient[]> {
    const { body: ticket } = await stage.as('alice').requestUpload({
      fileName: 'never.jpg',
      mimeType: 'image/jpeg',
      fileSize: 100_000,
    });
    const beginnings = [
      endlessHead(),
      `${jsonHead(tokenFor('alice'), 1000)}{`,
      `${putHead(ticket, 100_000)}abc`,
      '',
    ];
    const clients = await connectMany(stage.port, 10 * beginnings.length);
    clients.forEach((client, index) => client.send(beginnings[index % beginnings.length] ?? ''));
    return clients;
  }
});
