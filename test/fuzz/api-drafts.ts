import type { LocatedOperation, OpenApiDocument, Schema } from '../support/openapi-document.js';
import {
  BOUNDARY,
  type Body,
  type Draft,
  type Header,
  type Part,
  parametersOf,
  type Variation,
} from './api-draft.js';
import type { Ground } from './api-ground.js';
import type { Dice } from './image-dice.js';
import { BODY_VARIATIONS } from './api-mutate-body.js';
import { headerVariations } from './api-mutate-headers.js';
import { exampleOf, jsonVariations } from './api-mutate-json.js';
import { MULTIPART_VARIATIONS } from './api-mutate-multipart.js';
import { targetVariations } from './api-mutate-target.js';
import { WIRE_VARIATIONS } from './api-mutate-wire.js';

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'multipart/form-data';
/** How often what is optional is sent. */
const OPTIONAL = 0.3;
const SAME_KEYS = 5;

/** All single things that can be wrong with a request of this operation. */
export function variationsOf(ground: Ground, operation: LocatedOperation): Variation[] {
  const { document } = ground.contract;
  const content = operation.requestBody?.content ?? {};
  const schema = content[JSON_TYPE]?.schema;
  return [
    ...(schema === undefined ? [] : jsonVariations(document, schema, exampleOf(document, schema))),
    ...(content[FORM_TYPE] === undefined ? [] : MULTIPART_VARIATIONS),
    ...BODY_VARIATIONS,
    ...targetVariations(operation),
    ...headerVariations(operation, ground.token),
    ...WIRE_VARIATIONS,
  ];
}

/** A request of this operation with which nothing is wrong. */
export async function honestDraft(ground: Ground, operation: LocatedOperation, dice: Dice): Promise<Draft> {
  const special = SPECIAL[operation.operationId];
  const draft: Draft = {
    operation,
    method: operation.method,
    path: await pathOf(ground, operation, dice),
    query: queryOf(ground, operation, dice),
    headers: headersOf(ground, operation, dice),
    ...bodyOf(ground, operation),
    chunk: null,
    edits: [],
    ending: 'server',
    following: [],
  };
  const typed =
    draft.body.kind === 'none' ? draft : { ...draft, headers: [...draft.headers, typeOf(operation)] };
  return special === undefined ? typed : special(ground, typed, dice);
}

/** What only the service itself can give: signed URLs, and files in a certain state. */
const SPECIAL: Readonly<Record<string, (ground: Ground, draft: Draft, dice: Dice) => Promise<Draft>>> = {
  LocalStorage_read: async (ground, draft, dice) => {
    const { pathname, search } = await ground.readUrl(dice);
    return { ...draft, path: pathname, query: search.slice(1) };
  },
  LocalStorage_upload: async (ground, draft) => {
    const bytes = ground.newPicture();
    const request = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: bytes.length };
    const { body: ticket } = await ground.client.requestUpload(request);
    ground.learn(ticket);
    const { pathname, search } = new URL(ticket.uploadUrl);
    const plain = draft.headers.filter(([name]) => !(name.toLowerCase() in ticket.uploadHeaders));
    return {
      ...draft,
      path: pathname,
      query: search.slice(1),
      headers: [...plain, ...Object.entries(ticket.uploadHeaders)],
      body: { kind: 'bytes', bytes },
    };
  },
  // How long to wait is only for whoever waits.
  Media_get: async (_ground, draft) =>
    draft.query.startsWith('timeoutSeconds=') ? { ...draft, query: `waitFor=ready&${draft.query}` } : draft,
  Uploads_confirm: async (ground, draft, dice) =>
    dice.chance(0.3)
      ? { ...draft, path: draft.path.replace(/[^/]+(?=\/confirm$)/, await ground.newUpload()) }
      : draft,
};

async function pathOf(ground: Ground, operation: LocatedOperation, dice: Dice): Promise<string> {
  const values = new Map<string, string>();
  for (const { name, schema } of parametersOf(operation, 'path')) {
    const value =
      name === 'mediaFileId' ? await ground.anyId(dice) : encodeURIComponent(String(schema?.example));
    values.set(name, value);
  }
  return operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values.get(name) ?? name);
}

function queryOf(ground: Ground, operation: LocatedOperation, dice: Dice): string {
  return parametersOf(operation, 'query')
    .filter(({ required }) => required === true || dice.chance(OPTIONAL))
    .map(({ name, schema }) => [name, name === 'cursor' ? ground.cursor : schema?.example] as const)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join('&');
}

function headersOf(ground: Ground, operation: LocatedOperation, dice: Dice): Header[] {
  const documented = parametersOf(operation, 'header')
    .filter(({ required }) => required === true || dice.chance(OPTIONAL))
    .map(({ name, schema }): Header => [name, headerValue(name, schema, dice)]);
  return [
    ['Host', `127.0.0.1:${ground.port}`],
    ['Connection', 'close'],
    ...((operation.security ?? []).length === 0
      ? []
      : [['Authorization', `Bearer ${ground.token}`] as const]),
    ...documented,
  ];
}

/** Of keys that make a request repeatable, some come again, with the same request and with others. */
function headerValue(name: string, schema: Schema | undefined, dice: Dice): string {
  if (name.toLowerCase() !== 'idempotency-key') {
    return String(schema?.example);
  }
  return dice.chance(0.5) ? `key ${dice.below(SAME_KEYS)}` : dice.bytes(12).toString('hex');
}

function bodyOf(ground: Ground, operation: LocatedOperation): { body: Body } {
  const content = operation.requestBody?.content;
  const schema = content?.[JSON_TYPE]?.schema;
  if (schema !== undefined) {
    return { body: { kind: 'json', value: exampleOf(ground.contract.document, schema), raws: [] } };
  }
  const form = content?.[FORM_TYPE]?.schema;
  if (form !== undefined) {
    return { body: { kind: 'multipart', parts: partsOf(ground, ground.contract.document, form) } };
  }
  return { body: content === undefined ? { kind: 'none' } : { kind: 'bytes', bytes: ground.newPicture() } };
}

function typeOf({ requestBody }: LocatedOperation): Header {
  const [type = ''] = Object.keys(requestBody?.content ?? {});
  return ['Content-Type', type === FORM_TYPE ? `${type}; boundary=${BOUNDARY}` : type];
}

function partsOf(ground: Ground, document: OpenApiDocument, schema: Schema): Part[] {
  return Object.entries(schema.properties ?? {}).map(([name, property]) =>
    property.format === 'binary'
      ? {
          head: `Content-Disposition: form-data; name="${name}"; filename="a.jpg"\r\nContent-Type: image/jpeg`,
          bytes: ground.newPicture(),
        }
      : {
          head: `Content-Disposition: form-data; name="${name}"`,
          bytes: Buffer.from(String(exampleOf(document, property))),
        },
  );
}
