import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import type { UploadTicketDto } from '../../src/media/dto/upload-ticket.dto.js';
import { ObjectNotFoundError } from '../../src/storage/storage.errors.js';
import { sha256, until } from '../support/api-client.js';
import { DRIVERS, type DriverName, type DriverStage, startDriver } from '../support/driver-stage.js';
import { photo } from '../support/images.js';
import { refusalOf } from '../support/openapi-problem.js';
import type { TestApp } from '../support/test-app.js';

const MEBIBYTE = 1024 * 1024;
const JPEG = 'image/jpeg';
const QUOTA = 5 * MEBIBYTE;

let stages: Record<DriverName, DriverStage>;
/** For what has nothing to do with the driver. */
let mediadock: TestApp;

beforeAll(async () => {
  const environment = { STORAGE_ACCESS: 'private', QUOTA_BYTES: String(QUOTA) };
  const [local, gcs] = await Promise.all([
    startDriver('local', environment),
    startDriver('gcs', environment),
  ]);
  stages = { local, gcs };
  mediadock = local.mediadock;
});
afterAll(async () => Promise.all(Object.values(stages).map((stage) => stage.close())));

async function send(method: string, url: string, headers: object = {}, body?: Buffer): Promise<number> {
  const init = { method, headers: { ...headers }, ...(body && { body: new Uint8Array(body) }) };
  const response = await fetch(url, init);
  await response.arrayBuffer();
  return response.status;
}

async function objectsOf(stage: DriverStage, id: string): Promise<string[]> {
  return (await stage.objects()).filter((path) => path.includes(id));
}

async function ticketFor(stage: DriverStage, subject: string, fileSize: number): Promise<UploadTicketDto> {
  const request = { fileName: 'a.jpg', mimeType: JPEG, fileSize };
  const { status, body } = await stage.mediadock.as(subject).requestUpload(request);
  expect(status).toBe(201);
  return body;
}

async function expectGone(stage: DriverStage, { mediaFileId }: UploadTicketDto): Promise<void> {
  await until(async () => {
    const rows = await stage.mediadock.database.query(
      'select 1 from media_files where id = $1 and purged_at is not null',
      [mediaFileId],
    );
    return rows.length > 0 ? true : null;
  }, 'the bytes to be removed');
  expect(await objectsOf(stage, mediaFileId)).toEqual([]);
}

/** The last second in which the URL works, in milliseconds since 1970. */
function endOf(url: string): number {
  const query = new URL(url).searchParams;
  const expires = query.get('expires');
  const [, year, month, day, hour, minute, second] =
    /^(....)(..)(..)T(..)(..)(..)Z$/.exec(query.get('X-Goog-Date') ?? '') ?? [];
  return expires === null
    ? Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) +
        Number(query.get('X-Goog-Expires')) * 1000
    : Number(expires) * 1000;
}

describe('1: oversize refused before a URL exists', () => {
  it.each([10 * MEBIBYTE + 1, 1e12, Number.MAX_SAFE_INTEGER])(
    'gives nobody a URL, a row or a reservation for %i bytes',
    async (fileSize) => {
      const mallory = mediadock.as('mallory-1');
      const answer = await mallory.requestUpload<unknown>({ fileName: 'a.jpg', mimeType: JPEG, fileSize });
      expect(refusalOf(answer)).toBe('413 file_too_large');
      expect(JSON.stringify(answer.body)).not.toMatch(/uploadUrl|storageKey|signature/i);
      expect((await mallory.list()).body.items).toEqual([]);
      expect(await mallory.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
    },
  );

  it('takes no more than 1 MiB through the API itself', async () => {
    const mallory = mediadock.as('mallory-1');
    const large = Buffer.concat([await photo(20, 20), Buffer.alloc(MEBIBYTE)]);
    expect(refusalOf(await mallory.uploadDirect<unknown>(large, JPEG))).toBe('413 file_too_large');
    expect((await mallory.list()).body.items).toEqual([]);
  });
});

describe('2: real size ≠ declared: rejected, object deleted', () => {
  it.each(DRIVERS)('stores nothing of a PUT that is longer or shorter than declared: %s', async (driver) => {
    const stage = stages[driver];
    for (const length of [0, 999, 1001]) {
      const { uploadUrl, uploadHeaders, mediaFileId } = await ticketFor(stage, 'mallory-2', 1000);
      expect(await send('PUT', uploadUrl, uploadHeaders, Buffer.alloc(length))).toBe(400);
      expect(await objectsOf(stage, mediaFileId)).toEqual([]);
    }
  });

  it('counts on the local disk what comes in chunks, which do not say how long they will be', async () => {
    for (const length of [999, 1001, 500_000]) {
      const { uploadUrl, uploadHeaders, mediaFileId } = await ticketFor(stages.local, 'mallory-2', 1000);
      const body = new Blob([new Uint8Array(length)]).stream();
      const init = { method: 'PUT', headers: uploadHeaders, body, duplex: 'half' as const };
      const refused = await fetch(uploadUrl, init);
      expect(await refused.text()).toContain('length_mismatch');
      expect(await objectsOf(stages.local, mediaFileId)).toEqual([]);
    }
  });

  it.each(DRIVERS)('rejects what got in all the same, and deletes it: %s', async (driver) => {
    const stage = stages[driver];
    const mallory = stage.mediadock.as('mallory-2');
    const bytes = await photo(60, 40);
    for (const declared of [bytes.length - 1, bytes.length + 1]) {
      const { mediaFileId, storageKey } = await ticketFor(stage, 'mallory-2', declared);
      await stage.plant(storageKey, bytes);
      expect(await objectsOf(stage, mediaFileId)).toEqual([`uploads/${storageKey}`]);
      expect(refusalOf(await mallory.confirm<unknown>(mediaFileId))).toBe('409 size_mismatch');
      expect(await objectsOf(stage, mediaFileId)).toEqual([]);
      expect((await mallory.get(mediaFileId)).body).toMatchObject({ status: 'pending', publicUrl: null });
    }
  });
});

describe('8: quota holds under concurrency, pending counted', () => {
  const fileSize = MEBIBYTE;

  it('lets exactly so many of 40 requests at once through as fit, and counts them before a byte has come', async () => {
    const greedy = mediadock.as('greedy');
    const request = { fileName: 'a.jpg', mimeType: JPEG, fileSize };
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => greedy.requestUpload<Partial<ProblemBody>>(request)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(answers.filter(({ body }) => body.code === 'quota_exceeded')).toHaveLength(35);
    expect(await greedy.quota()).toMatchObject({ usedBytes: 0, reservedBytes: QUOTA, availableBytes: 0 });
    const small = await greedy.uploadDirect<unknown>(await photo(20, 20), JPEG);
    expect(refusalOf(small)).toBe('403 quota_exceeded');
  });

  it('gives nothing back for a pending file that is deleted: its URL still works', async () => {
    const cunning = mediadock.as('cunning');
    for (let index = 0; index < 5; index++) {
      const { mediaFileId } = await ticketFor(stages.local, 'cunning', fileSize);
      expect((await cunning.delete(mediaFileId)).status).toBe(204);
    }
    expect(await cunning.quota()).toMatchObject({ reservedBytes: QUOTA, availableBytes: 0 });
  });
});

describe('13: signed URLs: short-lived, one key, one method, type, length and generation bound', () => {
  it.each(DRIVERS)(
    'ends with the upload window, within 15 minutes, and takes no later end: %s',
    async (driver) => {
      const stage = stages[driver];
      const ticket = await ticketFor(stage, 'alice-13', 3);
      expect(endOf(ticket.uploadUrl)).toBe(Math.floor(Date.parse(ticket.expiresAt) / 1000) * 1000);
      expect(endOf(ticket.uploadUrl)).toBeLessThanOrEqual(Date.now() + 900_000);
      const later = ticket.uploadUrl
        .replace(/expires=\d+/, 'expires=99999999999')
        .replace(/X-Goog-Expires=\d+/, 'X-Goog-Expires=604800');
      expect(later).not.toBe(ticket.uploadUrl);
      expect(await send('PUT', later, ticket.uploadHeaders, Buffer.from('abc'))).toBe(403);

      const expiresAt = new Date(Date.now() - 1000);
      const old = { key: ticket.storageKey, contentType: JPEG, contentLength: 3, expiresAt };
      const { url, headers } = await stage.storage.signUpload(old);
      expect(await send('PUT', url, headers, Buffer.from('abc'))).toBe(400);
      expect(await objectsOf(stage, ticket.mediaFileId)).toEqual([]);
    },
  );

  it.each(DRIVERS)(
    'takes one key, one method, one type, one length and no object in its place: %s',
    async (driver) => {
      const stage = stages[driver];
      const [ticket, other] = [await ticketFor(stage, 'alice-13', 3), await ticketFor(stage, 'bob-13', 3)];
      const { uploadUrl: url, uploadHeaders: signed, storageKey } = ticket;
      const attacks: [method: string, url: string, headers: object][] = [
        ['PUT', url.replace(storageKey, other.storageKey), signed],
        ['PUT', url.replace(storageKey, storageKey.replace('.jpg', '_thumbnail.webp')), signed],
        ['PUT', url.replace('uploads', 'media'), signed],
        ['POST', url, signed],
        ['PUT', url, { ...signed, 'content-type': 'text/html' }],
        ['PUT', url, { ...signed, 'x-goog-content-length-range': '0,99999999' }],
        ['PUT', url, { ...signed, 'x-goog-if-generation-match': '1' }],
        ...Object.keys(signed).map((name): [string, string, object] => {
          return ['PUT', url, Object.fromEntries(Object.entries(signed).filter(([key]) => key !== name))];
        }),
      ];
      for (const [method, target, headers] of attacks) {
        expect(await send(method, target, headers, Buffer.from('abc'))).toBeGreaterThanOrEqual(400);
      }
      for (const bytes of ['ab', 'abcd']) {
        expect(await send('PUT', url, signed, Buffer.from(bytes))).toBe(400);
      }
      expect(await objectsOf(stage, ticket.mediaFileId)).toEqual([]);
      expect(await objectsOf(stage, other.mediaFileId)).toEqual([]);

      expect(await send('PUT', url, signed, Buffer.from('abc'))).toBe(200);
      for (const method of ['GET', 'HEAD', 'DELETE']) {
        expect(await send(method, url, signed)).toBeGreaterThanOrEqual(400);
      }
      expect(await objectsOf(stage, ticket.mediaFileId)).toEqual([`uploads/${storageKey}`]);
    },
  );

  it.each(DRIVERS)(
    'reads one object for an hour at most, and writes and deletes none: %s',
    async (driver) => {
      const stage = stages[driver];
      const alice = stage.mediadock.as('reader-13');
      const [one, two] = [await photo(30, 20, 1), await photo(30, 20, 2)];
      const { id } = await alice.upload(one, JPEG);
      const other = await alice.upload(two, JPEG);
      const [{ publicUrl, thumbnailUrl, storageKey }] = [
        await alice.settled(id),
        await alice.settled(other.id),
      ];
      const url = String(publicUrl);
      expect(endOf(url)).toBeLessThanOrEqual(Date.now() + 3_600_000);
      expect(await send('GET', url)).toBe(200);
      const bare = url.slice(0, url.indexOf('?'));
      const { search } = new URL(url);
      const refused = [
        bare,
        url.replace(storageKey, other.storageKey),
        String(thumbnailUrl).replace(/\?.*/, search),
        `${bare}?${search.slice(1).replace(/expires=\d+/i, 'expires=99999999999')}`,
        `${url.slice(0, -1)}${url.endsWith('A') ? 'B' : 'A'}`,
      ];
      for (const attempt of refused) {
        expect(await send('GET', attempt)).toBeGreaterThanOrEqual(400);
      }
      const before = await stage.objects();
      for (const method of ['PUT', 'POST', 'DELETE']) {
        expect(await send(method, url, {}, Buffer.from('abc'))).toBeGreaterThanOrEqual(400);
      }
      expect(await stage.objects()).toEqual(before);
    },
  );

  it.each(DRIVERS)('promotes the generation that was looked at, and no other: %s', async (driver) => {
    const stage = stages[driver];
    const bytes = await photo(40, 30);
    const ticket = await ticketFor(stage, 'alice-13', bytes.length);
    const alice = stage.mediadock.as('alice-13');
    await alice.put(ticket, Buffer.alloc(bytes.length));
    const looked = await stage.storage.stat('uploads', ticket.storageKey);
    expect(refusalOf(await alice.confirm<unknown>(ticket.mediaFileId))).toBe('415 type_mismatch');
    expect((await alice.put(ticket, bytes)).status).toBe(200);
    const promotion = stage.storage.promote(ticket.storageKey, String(looked?.generation), {
      contentType: JPEG,
      originalFileName: 'a.jpg',
    });
    await expect(promotion).rejects.toThrow(ObjectNotFoundError);
  });
});

describe('15: a used URL cannot overwrite', () => {
  it.each(DRIVERS)('neither before the confirm nor after it, nor 20 times at once: %s', async (driver) => {
    const stage = stages[driver];
    const alice = stage.mediadock.as('alice-15');
    const [bytes, evil] = [await photo(50, 40, 1), Buffer.from(await photo(50, 40, 1)).fill(0x41, 200, 300)];
    const ticket = await ticketFor(stage, 'alice-15', bytes.length);
    const race = await Promise.all(
      Array.from({ length: 20 }, (_, index) => alice.put(ticket, index === 0 ? bytes : evil)),
    );
    const statuses = race.map(({ status }) => status).toSorted((left, right) => left - right);
    expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 412)]);

    const second = await ticketFor(stage, 'alice-15', bytes.length);
    expect((await alice.put(second, bytes)).status).toBe(200);
    expect((await alice.put(second, evil)).status).toBe(412);
    await alice.confirm(second.mediaFileId);
    expect((await alice.put(second, evil)).status).toBe(412);
    const ready = await alice.settled(second.mediaFileId);
    expect(ready).toMatchObject({ status: 'ready', contentHash: sha256(bytes) });
    expect((await alice.put(second, evil)).status).toBe(412);
    const served = await fetch(String(ready.publicUrl));
    expect(sha256(Buffer.from(await served.arrayBuffer()))).toBe(sha256(bytes));
  });
});

describe('15: a used URL cannot be used again after its file is gone', () => {
  it.each(DRIVERS)('deleted by its user: %s', async (driver) => {
    const stage = stages[driver];
    const alice = stage.mediadock.as('deleter-15');
    const bytes = await photo(50, 40, 3);
    const ticket = await ticketFor(stage, 'deleter-15', bytes.length);
    await alice.put(ticket, bytes);
    await alice.confirm(ticket.mediaFileId);
    await alice.settled(ticket.mediaFileId);
    await alice.delete(ticket.mediaFileId);
    await expectGone(stage, ticket);

    expect((await alice.put(ticket, bytes)).status).toBe(412);
    expect(await objectsOf(stage, ticket.mediaFileId)).toEqual([]);
    expect(await alice.quota()).toMatchObject({ usedBytes: 0, reservedBytes: 0 });
  });

  it.each(DRIVERS)('or failed, because it was no picture after all: %s', async (driver) => {
    const stage = stages[driver];
    const mallory = stage.mediadock.as('mallory-15');
    const bytes = Buffer.from(await photo(50, 40, 4)).subarray(0, 400);
    const ticket = await ticketFor(stage, 'mallory-15', bytes.length);
    await mallory.put(ticket, bytes);
    await mallory.confirm(ticket.mediaFileId);
    expect((await mallory.settled(ticket.mediaFileId)).status).toBe('failed');
    await expectGone(stage, ticket);

    expect((await mallory.put(ticket, bytes)).status).toBe(412);
    expect(await objectsOf(stage, ticket.mediaFileId)).toEqual([]);
  });
});

describe('17: confirm N times at once: one job, one change', () => {
  it('lets one of 30 confirms win, moves the quota once, and runs one job', async () => {
    const alice = mediadock.as('alice-17');
    const bytes = await photo(70, 50);
    const jobs = async () => {
      const { body } = await alice.send<string>('GET', '/metrics');
      const lines = body.match(/^mediadock_job_duration_seconds_count\{job="generate_thumbnails".*$/gm) ?? [];
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    };
    const before = await jobs();
    const { mediaFileId } = await alice.uploadUnconfirmed(bytes, JPEG);
    const answers = await Promise.all(Array.from({ length: 30 }, () => alice.confirm<unknown>(mediaFileId)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const refusals = answers.filter(({ status }) => status !== 200).map(refusalOf);
    expect(new Set(refusals)).toEqual(new Set(['409 invalid_status']));
    expect((await alice.settled(mediaFileId)).status).toBe('ready');
    await until(async () => ((await jobs()) > before ? true : null), 'the job to be counted');
    expect(await jobs()).toBe(before + 1);
    expect(await alice.quota()).toMatchObject({ usedBytes: bytes.length, reservedBytes: 0 });
  });
});
