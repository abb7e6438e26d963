import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { PROBLEMS } from '../../src/common/problem.js';
import { casesOn } from '../support/openapi-cases.js';
import { outcomeOf } from '../support/openapi-contract.js';
import {
  type LocatedOperation,
  operationsOf,
  outcomesOf,
  propertiesOf,
  type Schema,
} from '../support/openapi-document.js';
import { PROBLEM_JSON } from '../support/openapi-problem.js';
import { OpenApiStage } from '../support/openapi-stage.js';

const CASES = casesOn(inject('stack'));
let stage: OpenApiStage;

beforeAll(async () => {
  stage = await OpenApiStage.start();
});
afterAll(async () => stage.close());

describe('the OpenAPI document against the running service', () => {
  it('documents exactly the answers that the operations really give', () => {
    const documented = operationsOf(stage.contract.document).flatMap((operation) =>
      outcomesOf(operation).map((outcome) => `${operation.operationId}: ${outcome}`),
    );
    const real = CASES.map(({ operation, outcome }) => `${operation}: ${outcome}`);
    expect(documented.toSorted()).toEqual(real.toSorted());
  });

  it.runIf(inject('stack') === 'embedded')(
    'is the one that the repository has: `npm run openapi` writes it anew',
    async () => {
      const committed: unknown = JSON.parse(
        await readFile(join(import.meta.dirname, '../../openapi.json'), 'utf8'),
      );
      expect(committed).toEqual(stage.contract.document);
    },
  );

  it.each(CASES)('$operation answers $outcome as documented', async ({ operation, outcome, provoke }) => {
    const answer = await provoke(stage);
    expect(outcomeOf(answer)).toBe(outcome);
    expect(stage.contract.departures(operation, answer)).toEqual([]);
  });
});

const UPLOAD = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };
const HASH = 'a1'.repeat(32);

describe('the documented limits of request bodies', () => {
  it.each([
    ['Uploads_request', 'a whole request', UPLOAD],
    ['Uploads_request', 'a hash', { ...UPLOAD, contentHash: HASH }],
    ['Uploads_request', 'a hash in upper case', { ...UPLOAD, contentHash: HASH.toUpperCase() }],
    ['Uploads_request', 'a hash that is none', { ...UPLOAD, contentHash: 'g1'.repeat(32) }],
    ['Uploads_request', 'a hash of null', { ...UPLOAD, contentHash: null }],
    ['Uploads_request', 'an empty name', { ...UPLOAD, fileName: '' }],
    ['Uploads_request', 'a name of 20,000 characters', { ...UPLOAD, fileName: 'n'.repeat(20_000) }],
    ['Uploads_request', 'a name of 20,001 characters', { ...UPLOAD, fileName: 'n'.repeat(20_001) }],
    ['Uploads_request', 'a type of 256 characters', { ...UPLOAD, mimeType: 'm'.repeat(256) }],
    ['Uploads_request', 'no byte', { ...UPLOAD, fileSize: 0 }],
    ['Uploads_request', 'half a byte', { ...UPLOAD, fileSize: 0.5 }],
    ['Uploads_request', 'more bytes than a number can count', { ...UPLOAD, fileSize: 2 ** 53 }],
    ['Uploads_request', 'an unknown field', { ...UPLOAD, folder: 'a' }],
    ['Uploads_request', 'a missing field', { fileName: 'a.jpg', fileSize: 1000 }],
    ['BatchUploads_request', 'one item', { items: [UPLOAD] }],
    ['BatchUploads_request', '100 items', { items: Array.from({ length: 100 }, () => UPLOAD) }],
    ['BatchUploads_request', '101 items', { items: Array.from({ length: 101 }, () => UPLOAD) }],
    ['BatchUploads_request', 'no item', { items: [] }],
    ['BatchUploads_request', 'an item that is no list', { items: UPLOAD }],
    ['BatchUploads_request', 'no list of items', {}],
    ['BatchUploads_request', 'an unknown field beside the items', { items: [UPLOAD], folder: 'a' }],
    ['Uploads_confirm', 'nothing', {}],
    ['Uploads_confirm', 'a width of 1', { width: 1 }],
    ['Uploads_confirm', 'a width of 0', { width: 0 }],
    ['Uploads_confirm', 'a height of 1,000,000', { height: 1_000_000 }],
    ['Uploads_confirm', 'a height of 1,000,001', { height: 1_000_001 }],
    ['Uploads_confirm', 'a width of null', { width: null }],
    ['Uploads_confirm', 'a width in words', { width: '640' }],
  ])('are those that %s enforces: %s', async (operation, _what, json) => {
    const path = { mediaFileId: '01937d4e-0000-7000-8000-000000000000' };
    const answer = await stage.call(stage.alice, operation, { path, json });
    expect(answer.status !== 400).toBe(stage.contract.allowsBody(operation, json));
  });
});

describe('the OpenAPI document for people', () => {
  it('gives every operation an id of its own, a summary, a description and a tag', () => {
    const ids = operationsOf(stage.contract.document).map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(
      operationsThatFail(({ summary, description, tags }) => Boolean(summary && description && tags?.length)),
    ).toEqual([]);
  });

  it('describes every parameter, and every answer', () => {
    expect(
      operationsThatFail(({ parameters = [] }) => parameters.every(({ description }) => description)),
    ).toEqual([]);
    expect(
      operationsThatFail(({ responses }) => Object.values(responses).every(({ description }) => description)),
    ).toEqual([]);
  });

  it('declares the bearer token, and asks for it on every operation of clients but signed URLs', () => {
    expect(stage.contract.document.components.securitySchemes).toMatchObject({
      bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    });
    expect(
      operationsThatFail(
        (operation) =>
          JSON.stringify(operation.security ?? []) === (wantsToken(operation) ? '[{"bearer":[]}]' : '[]'),
      ),
    ).toEqual([]);
  });

  it('describes every field, with an example', () => {
    const undescribed = propertiesOf(stage.contract.document).filter(
      ([, property]) => !property.description && !isReference(property),
    );
    const withoutExample = propertiesOf(stage.contract.document).filter(
      ([, property]) =>
        property.example === undefined && !isReference(property) && property.format !== 'binary',
    );
    expect({
      undescribed: undescribed.map(([path]) => path),
      withoutExample: withoutExample.map(([path]) => path),
    }).toEqual({ undescribed: [], withoutExample: [] });
  });

  it('gives only examples that are valid themselves', () => {
    const mistaken = propertiesOf(stage.contract.document).flatMap(([path, property]) =>
      property.example === undefined
        ? []
        : stage.contract.mistakes(property, property.example).map((mistake) => `${path}: ${mistake}`),
    );
    expect(mistaken).toEqual([]);
  });

  it('shows a whole body for every problem, with the code that it stands for', () => {
    const problems = operationsOf(stage.contract.document).flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, { content }]) => {
        const { schema, examples = {} } = content?.[PROBLEM_JSON] ?? {};
        return Object.entries(examples).map(([code, { value }]) => ({
          operationId,
          status,
          schema,
          code,
          value,
        }));
      }),
    );
    expect(problems.length).toBeGreaterThan(50);
    for (const { operationId, status, schema, code, value } of problems) {
      expect(PROBLEMS).toHaveProperty(code);
      expect({ operationId, ...Object(value) }).toMatchObject({ operationId, code, status: Number(status) });
      expect(stage.contract.mistakes(schema ?? {}, value)).toEqual([]);
    }
  });
});

function operationsThatFail(check: (operation: LocatedOperation) => boolean): string[] {
  return operationsOf(stage.contract.document)
    .filter((operation) => !check(operation))
    .map(({ operationId }) => operationId);
}

function wantsToken({ path }: LocatedOperation): boolean {
  return path.startsWith('/v1/') && !path.startsWith('/v1/storage/');
}

/** The description and example of what is referred to stand where it is defined. */
function isReference({ $ref, allOf, items }: Schema): boolean {
  return $ref !== undefined || allOf?.length === 1 || items?.$ref !== undefined;
}
