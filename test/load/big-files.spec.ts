import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { type ApiClient, sha256, until } from '../support/api-client.js';
import { seededRandom } from '../support/images.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { largePng } from './large-png.js';
import { connectMany, type RawClient } from './raw-client.js';
import { getRequest } from './requests.js';
import { Stage } from './stage.js';

const { count, seconds, seed } = runOptions({ count: 1000, seconds: 2 });
const random = seededRandom(seed);

const KIB = 1024;
const UPLOADERS = Math.ceil(count / 100);
const READERS = Math.ceil(count / 20);
const PIPELINERS = Math.ceil(count / 100);
/** Of one connection, without waiting for an answer. */
const PIPELINED = 600;
/**
 * MiB by which the process may grow, whatever is sent through it. Measured: 60 to 110 for uploads, with 20 of them as with
 * 50, and 20 to 90 for downloads. All of the bytes would be 10 MiB for each of them.
 */
const MEMORY_SLACK = 170;

describe(`files of 10 MB, from seed ${seed}`, () => {
  let stage: Stage;
  let alice: ApiClient;
  let file: Buffer;
  let url = '';
  const figures: Record<string, number | string> = {};

  beforeAll(async () => {
    stage = await Stage.open();
    alice = stage.as('alice');
    file = await largePng();
  }, 120_000);
  afterAll(async () => stage.close());

  it('stream through the server when many users upload at once', async () => {
    const tickets = await Promise.all(Array.from({ length: UPLOADERS }, async (_, user) => newTicket(user)));
    const { grown, failures } = await measured(`${UPLOADERS} uploads`, async () => {
      const answers = await Promise.all(tickets.map(async (ticket) => alice.put(ticket, file)));
      expect(answers.map(({ status }) => status)).toEqual(tickets.map(() => 200));
    });
    expect(failures).toEqual([]);
    expect(grown).toBeLessThan(MEMORY_SLACK);
    const [ticket] = tickets;
    const { body } = await stage.as('user-0').confirm(ticket?.mediaFileId ?? '');
    url = body.publicUrl ?? '';
    const { contentHash } = await stage.as('user-0').settled(body.id);
    expect(contentHash).toBe(sha256(file));
  }, 120_000);

  it('wait on the disk, not in memory, for clients that read slowly or not at all', async () => {
    const readers = await connectMany(stage.port, READERS, { reads: false });
    const { grown, failures } = await measured(`${READERS} slow downloads`, async () => {
      for (const reader of readers) {
        reader.send(getRequest(url));
        if (random() < 0.5) {
          reader.readSlowly(KIB, 1000);
        }
      }
      await untilOpen(READERS);
      await sleep(seconds * 1000);
      expect(await stage.openObjects()).toHaveLength(READERS);
    });
    readers.forEach((reader) => reader[random() < 0.5 ? 'leave' : 'reset']());
    await untilOpen(0);
    expect(failures).toEqual([]);
    expect(grown).toBeLessThan(MEMORY_SLACK);
  }, 120_000);

  it('are opened one at a time for those who ask for hundreds at once, and closed when they go', async () => {
    const descriptorsBefore = await stage.vitals.descriptors();
    const greedy = await connectMany(stage.port, PIPELINERS, { reads: false });
    const { failures } = await measured(`${PIPELINERS} × ${PIPELINED} pipelined downloads`, async () => {
      greedy.forEach((client: RawClient, index) =>
        client.send(getRequest(url).repeat(index === 0 ? 5 : PIPELINED)),
      );
      // The one that asked for a few waits for its turn; those who asked for more are cut off.
      await untilOpen(1);
      expect(await stage.vitals.descriptors()).toBeLessThan(descriptorsBefore + 2 * PIPELINERS + 20);
    });
    greedy.forEach((client) => client.leave());
    await untilOpen(0);
    figures['descriptors before and after'] = `${descriptorsBefore}, ${await until(async () => {
      const descriptors = await stage.vitals.descriptors();
      return descriptors <= descriptorsBefore + 20 ? descriptors : null;
    }, 'the descriptors to be given back')}`;
    expect(failures).toEqual([]);
    printFigures(`Files of ${(file.length / 1e6).toFixed(1)} MB, seed ${seed}`, {
      ...figures,
      'temporary files left': (await stage.temporaryFiles()).length,
    });
  }, 120_000);

  async function untilOpen(wanted: number): Promise<void> {
    await until(
      async () => ((await stage.openObjects()).length === wanted ? true : null),
      `${wanted} files to be open`,
      60_000,
    );
  }

  /** Does something while ordinary requests go on. */
  async function measured(
    what: string,
    action: () => Promise<void>,
  ): Promise<{ grown: number; failures: readonly string[] }> {
    const before = await stage.vitals.memory();
    await stage.vitals.forgetPeak();
    const probes = await stage.probe();
    await action();
    await probes.stop();
    const peak = await stage.vitals.peakMemory();
    figures[what] =
      `${before} MiB of memory before, ${peak} at most; ${probes.answered} probes answered, ${probes.failures.length} failed`;
    return { grown: peak - before, failures: probes.failures };
  }

  async function newTicket(user: number): Promise<UploadTicketDto> {
    const { body } = await stage.as(`user-${user}`).requestUpload({
      fileName: 'large.png',
      mimeType: 'image/png',
      fileSize: file.length,
    });
    return body;
  }
});
