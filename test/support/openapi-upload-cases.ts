import { sha256 } from './api-client.js';
import type { OperationRequest } from './openapi-contract.js';
import type { OpenApiStage, Provocation } from './openapi-stage.js';

export const JPEG = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };

const BATCH = 'BatchUploads_request';
const KEY = 'Idempotency-Key';

/** What an operation answers to a key that is taken, given two requests that are not the same. */
export function keyCases(
  operation: string,
  one: () => Promise<OperationRequest>,
  other: () => Promise<OperationRequest>,
): Record<string, Provocation> {
  return {
    '409 idempotency_in_flight': async (stage) => {
      const key = `${operation} in flight`;
      await stage.call(stage.alice, operation, withKey(await one(), key));
      await stage.reopenKey(key);
      return stage.call(stage.alice, operation, withKey(await one(), key));
    },
    '422 idempotency_conflict': async (stage) => {
      const key = `${operation} conflict`;
      await stage.call(stage.alice, operation, withKey(await one(), key));
      return stage.call(stage.alice, operation, withKey(await other(), key));
    },
  };
}

/** All that a batch can be answered, as a whole and item by item. */
export function batchCases(): Record<string, Provocation> {
  return {
    ...keyCases(
      BATCH,
      async () => ({ json: { items: [JPEG] } }),
      async () => ({ json: { items: [JPEG, JPEG] } }),
    ),
    '200 application/json': async (stage) =>
      stage.call(stage.alice, BATCH, { json: { items: await everyKindOfItem(stage) } }),
    '400 validation_failed': (stage) => stage.call(stage.alice, BATCH, { json: { items: [] } }),
  };
}

/** An upload, a duplicate, and one of each refusal but a full quota. */
async function everyKindOfItem(stage: OpenApiStage): Promise<unknown[]> {
  const bytes = await stage.newPhoto();
  await stage.alice.uploadDirect(bytes, 'image/jpeg');
  return [
    JPEG,
    { ...JPEG, contentHash: sha256(bytes) },
    { ...JPEG, mimeType: 'image/svg+xml' },
    { ...JPEG, fileSize: 2 ** 40 },
    { ...JPEG, fileName: '' },
    'no item at all',
  ];
}

function withKey({ json, init = {}, ...request }: OperationRequest, key: string): OperationRequest {
  const headers = new Headers(init.headers);
  headers.set(KEY, key);
  if (json === undefined) {
    return { ...request, init: { ...init, headers } };
  }
  headers.set('content-type', 'application/json');
  return { ...request, init: { ...init, headers, body: JSON.stringify(json) } };
}
