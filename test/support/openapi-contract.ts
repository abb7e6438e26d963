import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { PROBLEMS } from '../../src/common/problem.js';
import type { Answer, ApiClient } from './api-client.js';
import {
  type DocumentedResponse,
  type LocatedOperation,
  type OpenApiDocument,
  operationsOf,
  type Schema,
} from './openapi-document.js';
import { mediaTypeOf, PROBLEM_JSON, problemOf } from './openapi-problem.js';

/** What is put into the placeholders of an operation, and sent along. */
export interface OperationRequest {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly init?: RequestInit;
}

/** Holds real answers against the document that the service gives out about itself. */
export class OpenApiContract {
  private readonly ajv = addFormats.default(
    new Ajv({ allErrors: true, strict: true, strictRequired: false }),
  );
  private readonly operations: ReadonlyMap<string, LocatedOperation>;
  private readonly definitions: Readonly<Record<string, unknown>>;
  private readonly compiled = new Map<Schema, ValidateFunction>();

  constructor(readonly document: OpenApiDocument) {
    this.operations = new Map(operationsOf(document).map((operation) => [operation.operationId, operation]));
    this.definitions = mapValues(document.components.schemas, strict);
    this.ajv.addVocabulary(['example']);
  }

  static async read(client: ApiClient): Promise<OpenApiContract> {
    const { body } = await client.send<OpenApiDocument>('GET', '/docs-json');
    return new OpenApiContract(body);
  }

  operation(operationId: string): LocatedOperation {
    const operation = this.operations.get(operationId);
    if (operation === undefined) {
      throw new Error(`The document knows no operation ${operationId}`);
    }
    return operation;
  }

  /** Sends a request to where the document says that the operation is. */
  async call(
    client: ApiClient,
    operationId: string,
    request: OperationRequest = {},
  ): Promise<Answer<unknown>> {
    const { method, path } = this.operation(operationId);
    const filled = path.replaceAll(
      /\{(\w+)\}/g,
      (_, name: string) => request.path?.[name] ?? `missing-${name}`,
    );
    const query = new URLSearchParams(request.query).toString();
    const target = query === '' ? filled : `${filled}?${query}`;
    return request.json === undefined
      ? client.send<unknown>(method, target, request.init)
      : client.sendJson<unknown>(method, target, request.json);
  }

  /** @returns everything in which the answer departs from what is documented for it; nothing when it does not */
  departures(operationId: string, answer: Answer<unknown>): string[] {
    const documented = this.operation(operationId).responses[String(answer.status)];
    if (documented === undefined) {
      return [`${operationId} documents no status ${answer.status}`];
    }
    return [
      ...missingHeaders(documented, answer),
      ...this.bodyDepartures(documented, answer),
      ...(mediaTypeOf(answer) === PROBLEM_JSON ? this.problemDepartures(operationId, answer) : []),
    ];
  }

  /** Whether the document allows this JSON body for the operation. */
  allowsBody(operationId: string, body: unknown): boolean {
    const schema = this.operation(operationId).requestBody?.content['application/json']?.schema;
    return schema !== undefined && this.validator(schema)(body);
  }

  /** @returns what is wrong with a value, by a schema of the document */
  mistakes(schema: Schema, value: unknown): string[] {
    const validate = this.validator(schema);
    return validate(value) ? [] : [this.ajv.errorsText(validate.errors)];
  }

  private bodyDepartures({ content }: DocumentedResponse, answer: Answer<unknown>): string[] {
    if (content === undefined) {
      return answer.body === '' ? [] : ['A body came, and none is documented'];
    }
    const mediaType = mediaTypeOf(answer);
    const documented = content[mediaType ?? ''];
    if (documented === undefined) {
      return [`A body of type ${mediaType} came, documented are ${Object.keys(content).join(', ')}`];
    }
    return this.mistakes(documented.schema, answer.body);
  }

  /** What RFC 9457 and the catalogue say about a problem, beyond the schema. */
  private problemDepartures(operationId: string, answer: Answer<unknown>): string[] {
    const { path, responses } = this.operation(operationId);
    const problem = problemOf(answer);
    const codes = responses[String(answer.status)]?.content?.[PROBLEM_JSON]?.examples ?? {};
    const template = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '.+')}$`);
    const rules: [holds: boolean, departure: string][] = [
      [Object.hasOwn(codes, problem.code), `The code ${problem.code} is not documented`],
      [problem.status === answer.status, `The body says status ${problem.status}`],
      [problem.type === `urn:mediadock:problem:${problem.code}`, `The type is ${problem.type}`],
      [problem.title === PROBLEMS[problem.code].title, `The title is ${problem.title}`],
      [template.test(problem.instance), `The instance is ${problem.instance}`],
      [(problem.currentStatus !== undefined) === (problem.code === 'invalid_status'), 'currentStatus is off'],
    ];
    return rules.filter(([holds]) => !holds).map(([, departure]) => departure);
  }

  private validator(schema: Schema): ValidateFunction {
    const existing = this.compiled.get(schema);
    if (existing !== undefined) {
      return existing;
    }
    const validate = this.ajv.compile({ ...strict(schema), definitions: this.definitions });
    this.compiled.set(schema, validate);
    return validate;
  }
}

/** The status, and the problem code or the media type of the body: what `outcomesOf` lists. */
export function outcomeOf(answer: Answer<unknown>): string {
  const mediaType = mediaTypeOf(answer);
  const detail = mediaType === PROBLEM_JSON ? problemOf(answer).code : mediaType;
  return answer.body === '' || detail === null ? String(answer.status) : `${answer.status} ${detail}`;
}

function missingHeaders({ headers = {} }: DocumentedResponse, answer: Answer<unknown>): string[] {
  return Object.entries(headers)
    .filter(([name, { required }]) => required !== false && !answer.headers.has(name))
    .map(([name]) => `The documented header ${name} is missing`);
}

/**
 * A copy as JSON Schema, without what OpenAPI 3.0 adds to it, and without room for a field that is not documented.
 */
function strict(schema: Schema): Record<string, unknown> {
  const { nullable, ...rest } = schema;
  const copy: Record<string, unknown> = { ...rest };
  if (rest.$ref !== undefined) {
    copy['$ref'] = rest.$ref.replace('#/components/schemas/', '#/definitions/');
  }
  if (rest.properties !== undefined) {
    copy['properties'] = mapValues(rest.properties, strict);
    copy['additionalProperties'] = rest.additionalProperties ?? false;
  }
  if (typeof rest.additionalProperties === 'object') {
    copy['additionalProperties'] = strict(rest.additionalProperties);
  }
  if (rest.items !== undefined) {
    copy['items'] = strict(rest.items);
  }
  if (rest.allOf !== undefined) {
    copy['allOf'] = rest.allOf.map(strict);
  }
  if (rest.oneOf !== undefined) {
    copy['oneOf'] = rest.oneOf.map(strict);
  }
  return nullable === true ? { anyOf: [copy, { type: 'null' }] } : copy;
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
