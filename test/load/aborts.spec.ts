import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inParallel } from '../../src/common/in-parallel.js';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { type ApiClient, until } from '../support/api-client.js';
import { seededRandom } from '../support/images.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { tokenFor } from '../support/tokens.js';
import type { Probes } from './probes.js';
import { connectMany, type RawClient } from './raw-client.js';
import { directUploadHead, jsonHead, putHead } from './requests.js';
import { Stage } from './stage.js';

const { count, seconds, seed } = runOptions({ count: 1000, seconds: 0 });
const random = seededRandom(seed);

const KIB = 1024;
/** Of each kind, at once. */
const CLIENTS = Math.ceil(count / 25);
const ROUNDS = 2;
/** `fetch` keeps as many connections as it has ever needed at once, and those are not to be counted here. */
const FEW = 8;
const FILE_SIZE = 400 * KIB;
/** MiB that the process may grow by after the first round. Measured: 20 to 60, which does not grow with the rounds. */
const MEMORY_SLACK = 150;

describe(`clients that go away in the middle, from seed ${seed}`, () => {
  const half = randomBytes(FILE_SIZE / 2);
  let stage: Stage;
  let alice: ApiClient;
  let probes: Probes;
  let descriptorsBefore = 0;
  const tickets: UploadTicketDto[] = [];
  const memory: number[] = [];

  beforeAll(async () => {
    stage = await Stage.open();
    alice = stage.as('alice');
    descriptorsBefore = await stage.vitals.descriptors();
    probes = await stage.probe();
  }, 120_000);
  afterAll(async () => stage.close());

  it(
    'leave no file and no open descriptor, whatever they were sending and however they go',
    async () => {
      const deadline = Date.now() + seconds * 1000;
      for (let round = 1; round <= ROUNDS || Date.now() < deadline; round += 1) {
        await goAwayInTheMiddle();
        await until(
          async () => ((await stage.temporaryFiles()).length === 0 ? true : null),
          'the temporary files to be gone',
        );
        expect(await stage.uploadedFiles()).toEqual([]);
        memory.push(await stage.vitals.memory());
      }
      await until(async () => ((await stage.openObjects()).length === 0 ? true : null), 'no file to be open');
    },
    seconds * 1000 + 120_000,
  );

  it('leave no row but those of the URLs that were asked for, and no byte reserved beyond them', async () => {
    const rows = await stage.database.query<{ status: string; count: string; bytes: string }>(`
      select f.status, count(*), sum(f.file_size) as bytes
      from media_files f join user_profiles p on p.id = f.user_id where p.user_info_id = 'alice' group by 1`);
    const reserved = tickets.length * FILE_SIZE;
    expect(rows).toEqual([{ status: 'pending', count: String(tickets.length), bytes: String(reserved) }]);
    expect(await alice.quota()).toMatchObject({ usedBytes: 0, reservedBytes: reserved });
  });

  it('can begin anew with the same URL', async () => {
    const again = tickets.slice(-CLIENTS);
    const answers = await inParallel(FEW, again, async (ticket) =>
      alice.put(ticket, Buffer.concat([half, half])),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await stage.uploadedFiles()).toHaveLength(again.length);
  });

  it('cost nobody else an answer, and the process neither memory nor descriptors', async () => {
    await probes.stop();
    // Connections to the database, and those that the probes keep.
    const after = await until(async () => {
      const descriptors = await stage.vitals.descriptors();
      return descriptors <= descriptorsBefore + 20 ? descriptors : null;
    }, 'the descriptors to be given back');
    printFigures(`Clients that go away, seed ${seed}`, {
      rounds: memory.length,
      'of each kind (PUT, direct upload, JSON) in a round': CLIENTS,
      'probes answered': probes.answered,
      'probes failed': probes.failures.length,
      'MiB of memory after each round': memory.slice(-10).join(' '),
      'descriptors before and after': `${descriptorsBefore}, ${after}`,
      'temporary files left': (await stage.temporaryFiles()).length,
    });
    expect(probes.failures).toEqual([]);
    expect(probes.answered).toBeGreaterThan(0);
    expect((memory.at(-1) ?? 0) - (memory[0] ?? 0)).toBeLessThan(MEMORY_SLACK);
    expect(stage.server.output).not.toMatch(/unhandled|uncaught/i);
  });

  async function goAwayInTheMiddle(): Promise<void> {
    const asked = await inParallel(FEW, Array.from({ length: CLIENTS }), async () => newTicket());
    tickets.push(...asked);
    const clients = await connectMany(stage.port, 3 * CLIENTS);
    const token = tokenFor('alice');
    clients.forEach((client, index) => {
      const ticket = asked[Math.floor(index / 3)];
      if (index % 3 === 0 && ticket !== undefined) {
        client.send(putHead(ticket, FILE_SIZE));
        client.send(half);
      } else if (index % 3 === 1) {
        client.send(directUploadHead(token, FILE_SIZE));
        client.send(half);
      } else {
        client.send(`${jsonHead(token, 20_000)}{"fileName":"${'a'.repeat(10_000)}`);
      }
    });
    await until(
      async () => ((await stage.temporaryFiles()).length === CLIENTS ? true : null),
      'every PUT to have begun',
    );
    clients.forEach(goAway);
    await until(async () => (clients.every(({ closed }) => closed) ? true : null), 'every client to be gone');
  }

  async function newTicket(): Promise<UploadTicketDto> {
    const { body } = await alice.requestUpload({
      fileName: 'never-whole.jpg',
      mimeType: 'image/jpeg',
      fileSize: FILE_SIZE,
    });
    return body;
  }
});

/** Without a word, with a reset, or with an end that the announced length does not allow. */
function goAway(client: RawClient): void {
  const dice = random();
  if (dice < 0.3) {
    client.leave();
  } else if (dice < 0.6) {
    client.reset();
  } else {
    client.endHalf();
  }
}
