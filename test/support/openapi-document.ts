import { PROBLEM_JSON } from './openapi-problem.js';

/** The parts of an OpenAPI 3.0 document that the tests read. */
export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes?: Readonly<Record<string, unknown>>;
  };
}

export interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, DocumentedResponse>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly description?: string;
}

export interface DocumentedResponse {
  readonly description: string;
  readonly content?: Content;
  /** Those that are not always there say so: `required` is false. */
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
}

export type Content = Readonly<
  Record<
    string,
    {
      readonly schema: Schema;
      readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
    }
  >
>;

export interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly $ref?: string;
  readonly nullable?: boolean;
  readonly description?: string;
  readonly example?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly [keyword: string]: unknown;
}

/** An operation and where it is found. */
export interface LocatedOperation extends Operation {
  readonly method: string;
  readonly path: string;
}

export function operationsOf(document: OpenApiDocument): LocatedOperation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })),
  );
}

/** What a test can tell apart in an answer: the status, and the problem code or the media type of the body. */
export function outcomesOf({ responses }: Operation): string[] {
  return Object.entries(responses).flatMap(([status, { content }]) =>
    content === undefined
      ? [status]
      : Object.entries(content).flatMap(([mediaType, { examples }]) =>
          mediaType === PROBLEM_JSON
            ? Object.keys(examples ?? {}).map((code) => `${status} ${code}`)
            : [`${status} ${mediaType}`],
        ),
  );
}

/** Every property of every schema, at any depth, with the path that leads to it. */
export function propertiesOf(document: OpenApiDocument): [path: string, property: Schema][] {
  const roots: [string, Schema][] = Object.entries(document.components.schemas);
  for (const { operationId, requestBody } of operationsOf(document)) {
    for (const { schema } of Object.values(requestBody?.content ?? {})) {
      roots.push([operationId, schema]);
    }
  }
  return roots.flatMap(([name, schema]) => propertiesBelow(name, schema));
}

function propertiesBelow(path: string, schema: Schema): [string, Schema][] {
  const { properties = {}, additionalProperties, items, allOf = [], oneOf = [] } = schema;
  const own = Object.entries(properties).map(([name, property]): [string, Schema] => [
    `${path}.${name}`,
    property,
  ]);
  const nested: [string, Schema][] = [
    ...own,
    ...(typeof additionalProperties === 'object' ? [[`${path}.*`, additionalProperties] as const] : []),
    ...(items === undefined ? [] : [[`${path}[]`, items] as const]),
    ...[...allOf, ...oneOf].map((part) => [path, part] as const),
  ].map(([name, part]) => [name, part]);
  return [...own, ...nested.flatMap(([name, part]) => propertiesBelow(name, part))];
}
