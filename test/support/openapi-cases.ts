import { readdir, writeFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LocalObjectStorage } from '../../src/storage/local/local-object-storage.js';
import { type Answer, sha256 } from './api-client.js';
import { gifImage, pngImage, photo, webpImage } from './images.js';
import type { OperationRequest } from './openapi-contract.js';
import { rawRequest } from './openapi-raw-request.js';
import { batchCases, JPEG, keyCases } from './openapi-upload-cases.js';
import type { StackName } from './test-stack.js';
import { multipart, type OpenApiStage, type Provocation, putRequest } from './openapi-stage.js';

const UNKNOWN_ID = '01937d4e-0000-7000-8000-000000000000';
const UNKNOWN_KEY = `users/${UNKNOWN_ID}/image/2026/11/${UNKNOWN_ID}.jpg`;
const MEBIBYTE = 1024 * 1024;

const one = (mediaFileId: string): OperationRequest => ({ path: { mediaFileId } });
const confirmOf = (mediaFileId: string): OperationRequest => ({ ...one(mediaFileId), json: {} });

/** For each operation that wants a token: a request that is all right, and the table that it needs. */
const PROTECTED: Record<string, { request: () => Promise<OperationRequest>; table: string }> = {
  Uploads_request: { request: async () => ({ json: JPEG }), table: 'media_files' },
  BatchUploads_request: { request: async () => ({ json: { items: [JPEG] } }), table: 'media_files' },
  Uploads_confirm: { request: async () => confirmOf(UNKNOWN_ID), table: 'media_files' },
  Uploads_upload: { request: async () => multipart(await photo(33, 44), 'image/jpeg'), table: 'media_files' },
  Media_list: { request: async () => ({}), table: 'media_files' },
  Media_get: { request: async () => one(UNKNOWN_ID), table: 'media_files' },
  Media_delete: { request: async () => one(UNKNOWN_ID), table: 'media_files' },
  Quota_read: { request: async () => ({}), table: 'storage_quotas' },
};

/** What every protected operation can answer. */
function commonCases(operation: string): Record<string, Provocation> {
  const { request, table } = PROTECTED[operation] ?? { request: async () => ({}), table: '' };
  return {
    '401 unauthenticated': async (stage) => stage.call(stage.open.anonymous(), operation, await request()),
    '429 rate_limited': async (stage) => {
      const hasty = stage.stranger(stage.closed);
      await stage.call(hasty, operation, await request());
      return stage.call(hasty, operation, await request());
    },
    '500 internal': async (stage) => {
      // Seen before, so that it is not the profile that cannot be found.
      await stage.alice.quota();
      const sent = await request();
      return stage.withoutTable(table, () => stage.call(stage.alice, operation, sent));
    },
    ...(operation === 'Media_list'
      ? {}
      : {
          '404 user_not_found': async (stage: OpenApiStage) =>
            stage.call(stage.stranger(stage.closed), operation, await request()),
        }),
  };
}

/** What can happen to somebody who asks for one file. */
function oneFileCases(operation: string): Record<string, Provocation> {
  return {
    '400 validation_failed': (stage) =>
      stage.call(stage.alice, operation, requestFor(operation, 'not-a-uuid')),
    '403 access_denied': async (stage) =>
      stage.call(stage.bob, operation, requestFor(operation, (await stage.newFile()).id)),
    '404 not_found': (stage) => stage.call(stage.alice, operation, requestFor(operation, UNKNOWN_ID)),
  };
}

function requestFor(operation: string, id: string): OperationRequest {
  return operation === 'Uploads_confirm' ? confirmOf(id) : one(id);
}

const REQUEST: Record<string, Provocation> = {
  '201 application/json': (stage) => stage.call(stage.alice, 'Uploads_request', { json: JPEG }),
  '200 application/json': async (stage) => {
    const bytes = await stage.newPhoto();
    await stage.alice.uploadDirect(bytes, 'image/jpeg');
    const contentHash = sha256(bytes);
    return stage.call(stage.alice, 'Uploads_request', { json: { ...JPEG, contentHash } });
  },
  '400 validation_failed': (stage) => stage.call(stage.alice, 'Uploads_request', { json: {} }),
  '403 quota_exceeded': async (stage) => stage.call(await stage.poor(), 'Uploads_request', { json: JPEG }),
  '413 file_too_large': (stage) =>
    stage.call(stage.alice, 'Uploads_request', { json: { ...JPEG, fileSize: 10 * MEBIBYTE + 1 } }),
  '415 invalid_type': (stage) =>
    stage.call(stage.alice, 'Uploads_request', { json: { ...JPEG, mimeType: 'image/svg+xml' } }),
  '503 storage_unavailable': (stage) =>
    stage.withoutSigning(() => stage.call(stage.alice, 'Uploads_request', { json: JPEG })),
};

const CONFIRM: Record<string, Provocation> = {
  ...oneFileCases('Uploads_confirm'),
  '200 application/json': async (stage) => confirm(stage, (await stage.newUpload()).mediaFileId),
  '409 invalid_status': async (stage) => confirm(stage, (await stage.newFile()).id),
  '409 file_not_found': async (stage) => confirm(stage, (await stage.newTicket(1000)).mediaFileId),
  '409 size_mismatch': async (stage) => {
    const ticket = await stage.newTicket(1000);
    await stage.putOtherLength(ticket, 1001);
    return confirm(stage, ticket.mediaFileId);
  },
  '410 upload_expired': async (stage) => {
    const { mediaFileId } = await stage.newUpload();
    await stage.closeWindow(mediaFileId);
    return confirm(stage, mediaFileId);
  },
  '415 type_mismatch': async (stage) =>
    confirm(stage, (await stage.newUpload(await pngImage(40, 40))).mediaFileId),
  '503 storage_unavailable': async (stage) => {
    const { mediaFileId } = await stage.newUpload();
    return stage.withoutStorage(() => confirm(stage, mediaFileId));
  },
};

function confirm(stage: OpenApiStage, id: string): Promise<Answer<unknown>> {
  return stage.call(stage.alice, 'Uploads_confirm', confirmOf(id));
}

const UPLOAD: Record<string, Provocation> = {
  '201 application/json': async (stage) => direct(stage, await stage.newPhoto()),
  '200 application/json': async (stage) => {
    const bytes = await stage.newPhoto();
    await direct(stage, bytes);
    return direct(stage, bytes);
  },
  '400 validation_failed': (stage) => stage.call(stage.alice, 'Uploads_upload', { json: {} }),
  '403 quota_exceeded': async (stage) =>
    stage.call(await stage.poor(), 'Uploads_upload', multipart(await stage.newPhoto(), 'image/jpeg')),
  '413 file_too_large': (stage) => direct(stage, Buffer.alloc(MEBIBYTE + 1)),
  '415 invalid_type': async (stage) => direct(stage, await stage.newPhoto(), 'application/pdf'),
  '415 type_mismatch': async (stage) => direct(stage, await stage.newPhoto(), 'image/png'),
  '503 storage_unavailable': async (stage) => {
    const bytes = await stage.newPhoto();
    return stage.withoutStorage(() => direct(stage, bytes));
  },
};

function direct(stage: OpenApiStage, bytes: Buffer, mimeType = 'image/jpeg'): Promise<Answer<unknown>> {
  return stage.call(stage.alice, 'Uploads_upload', multipart(bytes, mimeType));
}

const MEDIA: Record<string, Record<string, Provocation>> = {
  Media_list: {
    '200 application/json': async (stage) => {
      await stage.newFile();
      return stage.call(stage.alice, 'Media_list', { query: { limit: '100' } });
    },
    '400 validation_failed': (stage) => stage.call(stage.alice, 'Media_list', { query: { limit: '0' } }),
    '503 storage_unavailable': async (stage) => {
      await stage.newFile();
      return stage.withoutSigning(() => stage.call(stage.alice, 'Media_list'));
    },
  },
  Media_get: {
    ...oneFileCases('Media_get'),
    '200 application/json': async (stage) => {
      const { id } = await stage.newFile();
      await stage.alice.settled(id);
      return stage.call(stage.alice, 'Media_get', one(id));
    },
    '503 storage_unavailable': async (stage) => {
      const { id } = await stage.newFile();
      return stage.withoutSigning(() => stage.call(stage.alice, 'Media_get', one(id)));
    },
  },
  Media_delete: {
    ...oneFileCases('Media_delete'),
    '204': async (stage) => stage.call(stage.alice, 'Media_delete', one((await stage.newFile()).id)),
  },
  Quota_read: { '200 application/json': (stage) => stage.call(stage.alice, 'Quota_read') },
};

const OPERATIONS: Record<string, Record<string, Provocation>> = {
  Health_live: { '200 application/json': (stage) => stage.call(stage.open.anonymous(), 'Health_live') },
  Health_ready: {
    '200 application/json': (stage) => stage.call(stage.open.anonymous(), 'Health_ready'),
    '503 application/json': (stage) =>
      stage.withoutStorage(() => stage.call(stage.open.anonymous(), 'Health_ready')),
  },
  Metrics_scrape: { '200 text/plain': (stage) => stage.call(stage.open.anonymous(), 'Metrics_scrape') },
};

const STORAGE_PUT: Record<string, Provocation> = {
  '200': async (stage) => put(stage, await newPut(stage)),
  '400 signed_header_missing': async (stage) => put(stage, { ...(await newPut(stage)), init: {} }),
  '400 signature_expired': async (stage) =>
    put(stage, await stage.signedPut(UNKNOWN_KEY, 1000, new Date(Date.now() - 60_000))),
  '400 length_mismatch': async (stage) => {
    const { uploadUrl, uploadHeaders } = await stage.newTicket(1000);
    return put(stage, putRequest(uploadUrl, uploadHeaders, Buffer.alloc(999)));
  },
  '400 validation_failed': (stage) => put(stage, { path: { key: '%zz' } }),
  '403 signature_invalid': async (stage) =>
    put(stage, { ...(await newPut(stage)), query: { expires: '1795000000', signature: 'forged' } }),
  '411 length_required': async (stage) => {
    const { uploadUrl, uploadHeaders } = await stage.newTicket(1000);
    const { pathname, search } = new URL(uploadUrl);
    const headers = Object.entries({ host: 'localhost', connection: 'close', ...uploadHeaders });
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    return rawRequest(stage.open.baseUrl, `PUT ${pathname}${search} HTTP/1.1\r\n${lines}\r\n`);
  },
  '412 object_exists': async (stage) => {
    const request = await newPut(stage);
    await put(stage, request);
    return put(stage, request);
  },
  '503 storage_unavailable': async (stage) => {
    const request = await newPut(stage);
    return stage.withoutStorage(() => put(stage, request));
  },
};

async function newPut(stage: OpenApiStage): Promise<OperationRequest> {
  const bytes = await stage.newPhoto();
  const { uploadUrl, uploadHeaders } = await stage.newTicket(bytes.length);
  return putRequest(uploadUrl, uploadHeaders, bytes);
}

function put(stage: OpenApiStage, request: OperationRequest): Promise<Answer<unknown>> {
  return stage.call(stage.open.anonymous(), 'LocalStorage_upload', request);
}

const STORAGE_READ: Record<string, Provocation> = {
  ...Object.fromEntries(
    Object.entries({
      'image/jpeg': () => photo(50, 50, 901),
      'image/png': () => pngImage(50, 50),
      'image/gif': () => gifImage(50, 50),
      'image/webp': () => webpImage(50, 50),
    }).flatMap(([type, make]): [string, Provocation][] => [
      [`200 ${type}`, async (stage) => read(stage, await stored(stage, await make(), type))],
      [
        `206 ${type}`,
        async (stage) => read(stage, await stored(stage, await make(), type), { range: 'bytes=0-9' }),
      ],
    ]),
  ),
  '304': async (stage) => {
    const key = await stored(stage, await stage.newPhoto());
    const { headers } = await read(stage, key);
    return read(stage, key, { 'if-none-match': headers.get('etag') ?? '', 'cache-control': 'max-age=0' });
  },
  '412': async (stage) => read(stage, await stored(stage, await stage.newPhoto()), { 'if-match': '"other"' }),
  '400 signature_expired': (stage) => readClosed(stage, 1_700_000_000),
  '400 validation_failed': (stage) => read(stage, '%zz'),
  '403 signature_invalid': (stage) => readClosed(stage, 1_700_000_000, 'forged'),
  '404 object_not_found': (stage) => read(stage, UNKNOWN_KEY),
  '416 range_not_satisfiable': async (stage) =>
    read(stage, await stored(stage, await stage.newPhoto()), { range: 'bytes=999999-' }),
  '500 internal': async (stage) => {
    const { id } = await stage.newFile();
    const { storageKey } = await stage.alice.settled(id);
    await damageSidecar(join(stage.open.dataDir, 'objects', 'media', storageKey));
    return read(stage, storageKey);
  },
  '503 storage_unavailable': async (stage) => {
    const key = await stored(stage, await stage.newPhoto());
    return stage.withoutStorage(() => read(stage, key));
  },
};

/** @returns the key of a file of alice's that can be read */
async function stored(stage: OpenApiStage, bytes: Buffer, mimeType = 'image/jpeg'): Promise<string> {
  const { body } = await stage.alice.uploadDirect(bytes, mimeType);
  return body.storageKey;
}

function read(
  stage: OpenApiStage,
  key: string,
  headers: Record<string, string> = {},
): Promise<Answer<unknown>> {
  const request = { path: { key }, init: { headers } };
  return stage.call(stage.open.anonymous(), 'LocalStorage_read', request);
}

function readClosed(stage: OpenApiStage, expires: number, forged?: string): Promise<Answer<unknown>> {
  const { signer } = stage.closed.app.get(LocalObjectStorage, { strict: false });
  const signature = forged ?? signer.signRead({ key: UNKNOWN_KEY, expires });
  const query = { expires: String(expires), signature };
  return stage.call(stage.closed.anonymous(), 'LocalStorage_read', { path: { key: UNKNOWN_KEY }, query });
}

/** What a disk does that loses half a block. */
async function damageSidecar(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder);
  const sidecar = names.find((name) => join(folder, name).startsWith(`${path}.`));
  // A link that leads nowhere cannot be written to.
  await rm(join(folder, sidecar ?? 'missing'));
  await writeFile(join(folder, sidecar ?? 'missing'), '{');
}

interface Case {
  readonly operation: string;
  readonly outcome: string;
  readonly provoke: Provocation;
}

/** Every operation, every answer, and how to get it; of the local storage's own routes only where there are any. */
export function casesOn(stack: StackName): readonly Case[] {
  return CASES.filter(({ operation }) => stack === 'embedded' || !operation.startsWith('LocalStorage_'));
}

const CASES: readonly Case[] = Object.entries({
  Uploads_request: {
    ...commonCases('Uploads_request'),
    ...keyCases(
      'Uploads_request',
      async () => ({ json: JPEG }),
      async () => ({ json: { ...JPEG, fileSize: 999 } }),
    ),
    ...REQUEST,
  },
  BatchUploads_request: { ...commonCases('BatchUploads_request'), ...batchCases() },
  Uploads_confirm: { ...commonCases('Uploads_confirm'), ...CONFIRM },
  Uploads_upload: {
    ...commonCases('Uploads_upload'),
    ...keyCases(
      'Uploads_upload',
      async () => multipart(await photo(33, 44), 'image/jpeg'),
      async () => multipart(await photo(33, 45), 'image/jpeg'),
    ),
    ...UPLOAD,
  },
  ...Object.fromEntries(
    Object.entries(MEDIA).map(([operation, cases]) => [operation, { ...commonCases(operation), ...cases }]),
  ),
  ...OPERATIONS,
  LocalStorage_upload: STORAGE_PUT,
  LocalStorage_read: STORAGE_READ,
}).flatMap(([operation, cases]) =>
  Object.entries(cases).map(([outcome, provoke]) => ({ operation, outcome, provoke })),
);
