import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { type ApiClient, until } from '../support/api-client.js';
import { photo, seededRandom } from '../support/images.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { tokenFor } from '../support/tokens.js';
import type { Probes } from './probes.js';
import { connectMany, type RawClient } from './raw-client.js';
import { directUploadHead, endlessHead, jsonHead, putHead } from './requests.js';
import { Stage } from './stage.js';

const { count, seconds, seed } = runOptions({ count: 1000, seconds: 10 });
const random = seededRandom(seed);
const startedAt = Date.now();

const KIB = 1024;
const HEADS = Math.ceil(count / 8);
const SILENT = Math.ceil(count / 20);
const BODIES = Math.ceil(count / 20);
const PUTS = Math.ceil(count / 40);
/** The documented 20 s for headers and a second in which the server does not look, on a machine that is busy. */
const CUT_TIMEOUT_MS = 60_000;
/** The default of `DIRECT_UPLOAD_MAX_BYTES`. */
const LIMIT = KIB * KIB;
/** What is sent of a direct upload before it begins to drip. */
const HELD = LIMIT / 2;
/** Clients whose direct upload is far beyond the limit when all of it has come; in pieces, for others want to be served. */
const BEYOND = 40;
const PIECES = 16;
/**
 * MiB on top of what direct uploads may hold by right. Measured: 80 to 130, most of it garbage that is not collected yet.
 * If the server kept what lies beyond the limit, it would be 280 more.
 */
const MEMORY_SLACK = 200;

describe(`clients that take their time, from seed ${seed}`, () => {
  let stage: Stage;
  let alice: ApiClient;
  let probes: Probes;
  let file: Buffer;
  let tickets: UploadTicketDto[] = [];
  let memoryBefore = 0;
  let descriptorsBefore = 0;
  let timer: NodeJS.Timeout;
  let sent = 0;
  const heads: RawClient[] = [];
  const silent: RawClient[] = [];
  const bodies: RawClient[] = [];
  const beyond: RawClient[] = [];
  const puts: RawClient[] = [];
  const figures: Record<string, number | string> = {};

  beforeAll(async () => {
    stage = await Stage.open();
    alice = stage.as('alice');
    file = await photo(1000, 800);
    tickets = await Promise.all(Array.from({ length: PUTS }, async () => newTicket()));
    memoryBefore = await stage.vitals.memory();
    descriptorsBefore = await stage.vitals.descriptors();
    await stage.vitals.forgetPeak();
    probes = await stage.probe();
    await gather();
    timer = setInterval(drip, 1000);
  }, 120_000);

  afterAll(async () => {
    clearInterval(timer);
    for (const client of [heads, silent, bodies, beyond, puts].flat()) {
      client.leave();
    }
    await stage.close();
  });

  it('are let send a PUT at 1 KB/s, of which nothing can be seen until it is whole', async () => {
    await until(
      async () => {
        const { length } = await stage.temporaryFiles();
        return length === PUTS ? true : null;
      },
      'every PUT to have begun',
      60_000,
    );
    expect(await stage.uploadedFiles()).toEqual([]);
    const confirmed = await Promise.all(
      tickets.map(async ({ mediaFileId }) => alice.confirm<{ code: string }>(mediaFileId)),
    );
    expect(new Set(confirmed.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
      new Set(['409 file_not_found']),
    );
  });

  it(
    'are cut off when their headers do not end, even if they never hang up, and told why',
    async () => {
      await until(
        async () => ([...heads, ...silent].every(({ closed }) => closed) ? true : null),
        'those with endless headers to be cut off',
        CUT_TIMEOUT_MS,
      );
      expect(new Set([...heads, ...silent].map(({ status }) => status))).toEqual(new Set([400]));
      expect(heads[0]?.answer).toContain('The request took too long to arrive');
      expect(bodies.filter(({ closed }) => closed)).toEqual([]);
      expect(puts.filter(({ closed }) => closed)).toEqual([]);
    },
    CUT_TIMEOUT_MS + 10_000,
  );

  it(
    'hold no more memory with their bodies than the limits of these',
    async () => {
      await until(async () => (sent === PIECES ? true : null), 'all that is too much to have been sent');
      await sleep(Math.max(0, startedAt + seconds * 1000 - Date.now()));
      const byRight = (BODIES * HELD + BEYOND * LIMIT) / KIB / KIB;
      const peak = await stage.vitals.peakMemory();
      figures['MiB of memory before'] = memoryBefore;
      figures['MiB that direct uploads may hold'] = byRight;
      figures['MiB of memory at most'] = peak;
      expect(peak - memoryBefore).toBeLessThan(byRight + MEMORY_SLACK);
    },
    seconds * 1000 + 10_000,
  );

  it('leave nothing when they hang up in the middle of a PUT', async () => {
    for (const client of [...puts, ...bodies, ...beyond]) {
      client[random() < 0.5 ? 'reset' : 'leave']();
    }
    await until(
      async () => ((await stage.temporaryFiles()).length === 0 ? true : null),
      'the temporary files to be gone',
    );
    await until(async () => ((await stage.openObjects()).length === 0 ? true : null), 'no file to be open');
    expect(await stage.uploadedFiles()).toEqual([]);
  });

  it('can use the same URL again, and then it works', async () => {
    const answers = await Promise.all(tickets.map(async (ticket) => alice.put(ticket, file)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    for (const { mediaFileId } of tickets.slice(0, 3)) {
      expect((await alice.confirm(mediaFileId)).status).toBe(200);
      expect((await alice.settled(mediaFileId)).status).toBe('ready');
    }
  });

  it('keep nobody else waiting, and no connection open', async () => {
    await probes.stop();
    expect(probes.failures).toEqual([]);
    expect(probes.answered).toBeGreaterThan(0);
    // What probes and database have open by right, see `Stage`.
    const after = await until(async () => {
      const descriptors = await stage.vitals.descriptors();
      return descriptors <= descriptorsBefore + 20 ? descriptors : null;
    }, 'the descriptors to be given back');
    printFigures(`Slow requests, seed ${seed}`, {
      'connections with endless headers': HEADS,
      'connections that say nothing': SILENT,
      'of these cut off by the server': [...heads, ...silent].filter(({ closed }) => closed).length,
      'JSON bodies at 1 byte/s': BODIES,
      'direct uploads at 1 KB/s': BODIES,
      'direct uploads of 8 MiB': BEYOND,
      'signed PUTs at 1 KB/s': PUTS,
      'probes answered': probes.answered,
      'probes failed': probes.failures.length,
      ...figures,
      'descriptors before and after': `${descriptorsBefore}, ${after}`,
      'temporary files left': (await stage.temporaryFiles()).length,
    });
  });

  async function newTicket(): Promise<UploadTicketDto> {
    const { body } = await alice.requestUpload({
      fileName: 'slow.jpg',
      mimeType: 'image/jpeg',
      fileSize: file.length,
    });
    return body;
  }

  async function gather(): Promise<void> {
    const token = tokenFor('alice');
    silent.push(...(await connectMany(stage.port, SILENT)));
    heads.push(...(await connectMany(stage.port, HEADS)));
    heads.forEach((client) => client.send(endlessHead()));
    const [json, held] = await Promise.all([1, 2].map(async () => connectMany(stage.port, BODIES)));
    json?.forEach((client) => client.send(`${jsonHead(token, 50_000)}{"fileName":"`));
    held?.forEach((client) => {
      client.send(directUploadHead(token, LIMIT));
      client.send(Buffer.alloc(HELD));
    });
    bodies.push(...(json ?? []), ...(held ?? []));
    beyond.push(...(await connectMany(stage.port, BEYOND)));
    beyond.forEach((client) => client.send(directUploadHead(token, 100 * LIMIT)));
    puts.push(...(await connectMany(stage.port, PUTS)));
    puts.forEach((client, index) => {
      const ticket = tickets[index];
      if (ticket !== undefined) {
        client.send(putHead(ticket, file.length));
      }
    });
  }

  function drip(): void {
    heads.forEach((client) => client.send('a'));
    // Only by going on can those find out whether the server has closed its end altogether.
    silent.filter(({ status }) => status !== null).forEach((client) => client.send('a'));
    bodies.forEach((client, index) => client.send(index < BODIES ? 'a' : Buffer.alloc(KIB)));
    puts.forEach((client) => client.send(Buffer.alloc(KIB)));
    if (sent < PIECES) {
      sent += 1;
      beyond.forEach((client) => client.send(Buffer.alloc((8 * LIMIT) / PIECES)));
    }
  }
});
