import type { Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { type ApiClient, until } from '../support/api-client.js';
import { filesBelow } from '../support/files-below.js';
import { isLongRun, printFigures } from '../support/run-options.js';
import { startTestApp } from '../support/test-app.js';
import { tokenFor } from '../support/tokens.js';
import { largePng } from './large-png.js';
import { connectMany, type RawClient } from './raw-client.js';
import { directUploadHead, getRequest, jsonHead, putHead } from './requests.js';
import { Stage } from './stage.js';
import { VitalSigns } from './vital-signs.js';

/** Where this happens: a process with its own limits of 300 s when there is time, else the same application with less. */
type Place = Pick<Stage, 'port' | 'as' | 'temporaryFiles' | 'openObjects' | 'close'>;

const IMPATIENT_MS = 2_000;
const CLIENTS = 20;
/** In a long run the documented 300 s, twice for readers: Node first sees that a write has got stuck half-way. */
const CUT_TIMEOUT_MS = isLongRun() ? 640_000 : 30_000;

async function impatientApp(): Promise<Place> {
  const mediadock = await startTestApp();
  const server: Server = mediadock.app.getHttpServer();
  // Node swaps the two when there is more time for the headers than for the whole.
  server.headersTimeout = IMPATIENT_MS;
  server.requestTimeout = IMPATIENT_MS;
  server.timeout = IMPATIENT_MS;
  const objects = join(mediadock.dataDir, 'objects');
  return {
    port: mediadock.config.http.port,
    as: (subject) => mediadock.as(subject),
    temporaryFiles: async () => filesBelow(join(objects, 'tmp')),
    openObjects: async () => new VitalSigns(process.pid).openFilesBelow(objects),
    close: async () => mediadock.close(),
  };
}

describe('clients that come to a standstill', () => {
  let place: Place;
  let alice: ApiClient;
  let file: Buffer;
  let startedAt = 0;
  let timer: NodeJS.Timeout;
  let tickets: UploadTicketDto[] = [];
  const senders: RawClient[] = [];
  const readers: RawClient[] = [];
  const figures: Record<string, number | string> = {};

  beforeAll(async () => {
    place = isLongRun() ? await Stage.open() : await impatientApp();
    alice = place.as('alice');
    file = await largePng();
    const { publicUrl } = await alice.upload(file, 'image/png');
    tickets = await Promise.all(Array.from({ length: CLIENTS }, async () => newTicket()));
    startedAt = Date.now();
    await startReading(publicUrl ?? '');
    await startSending();
  }, 120_000);

  afterAll(async () => {
    clearInterval(timer);
    [...senders, ...readers].forEach((client) => client.leave());
    await place.close();
  });

  it(
    'are cut off when what they send does not come to an end, even if they never hang up, and told why',
    async () => {
      await until(
        async () => (senders.every(({ closed }) => closed) ? true : null),
        'every sender to be cut off',
        CUT_TIMEOUT_MS,
      );
      figures['seconds until the last sender was cut off'] = Math.round((Date.now() - startedAt) / 1000);
      expect(new Set(senders.map(({ status }) => status))).toEqual(new Set([400, 401]));
      expect(senders[0]?.answer).toContain('The request took too long to arrive');
    },
    CUT_TIMEOUT_MS + 10_000,
  );

  it('leave nothing of what they had sent, and may begin anew', async () => {
    await until(
      async () => ((await place.temporaryFiles()).length === 0 ? true : null),
      'the temporary files to be gone',
    );
    expect((await alice.quota()).usedBytes).toBe(file.length);
    const [ticket] = tickets;
    expect(ticket && (await alice.put(ticket, file)).status).toBe(200);
  });

  it(
    'are cut off when they have stopped reading, and the file is closed',
    async () => {
      await until(
        async () => ((await place.openObjects()).length === 0 ? true : null),
        'every file to be closed',
        CUT_TIMEOUT_MS,
      );
      figures['seconds until the last file was closed'] = Math.round((Date.now() - startedAt) / 1000);
      expect(readers.filter(({ received }) => received > 0)).toEqual([]);
      printFigures('Clients at a standstill', {
        limits: isLongRun() ? 'the real ones' : `${IMPATIENT_MS / 1000} s`,
        'clients that send, and that do not read': `${senders.length}, ${readers.length}`,
        ...figures,
        'temporary files left': (await place.temporaryFiles()).length,
      });
    },
    CUT_TIMEOUT_MS + 10_000,
  );

  async function startReading(url: string): Promise<void> {
    readers.push(...(await connectMany(place.port, CLIENTS, { reads: false })));
    readers.forEach((client) => client.send(getRequest(url)));
    await until(
      async () => ((await place.openObjects()).length === CLIENTS ? true : null),
      'every reader to have a file open',
    );
  }

  async function startSending(): Promise<void> {
    const beginnings = [
      directUploadHead(tokenFor('alice'), 1_000_000),
      `${jsonHead(tokenFor('alice'), 50_000)}{"fileName":"`,
      // Has its answer at once, and goes on all the same.
      directUploadHead('no token', 1_000_000),
    ];
    senders.push(...(await connectMany(place.port, 4 * CLIENTS)));
    senders.forEach((client, index) => {
      const ticket = tickets[index];
      client.send(
        ticket === undefined ? (beginnings[index % beginnings.length] ?? '') : putHead(ticket, file.length),
      );
    });
    timer = setInterval(() => senders.forEach((client) => client.send('a')), 100);
  }

  async function newTicket(): Promise<UploadTicketDto> {
    const { body } = await alice.requestUpload({
      fileName: 'slow.png',
      mimeType: 'image/png',
      fileSize: file.length,
    });
    return body;
  }
});
