import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Secret } from 'kubernetes-models/v1/Secret';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

export const ROOT = join(import.meta.dirname, '..', '..');

/** One object that Kubernetes would be given. */
export interface Manifest {
  /** Relative to the folder that was read. */
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly content: unknown;
}

interface Model<Kind> {
  readonly is: (value: unknown) => value is Kind;
  new (data: Kind): { validate(): void };
}

const CHECKS: readonly ((content: unknown) => { validate(): void } | null)[] = [
  checkWith(ConfigMap),
  checkWith(Deployment),
  checkWith(HorizontalPodAutoscaler),
  checkWith(Ingress),
  checkWith(Job),
  checkWith(Namespace),
  checkWith(NetworkPolicy),
  checkWith(PodDisruptionBudget),
  checkWith(Secret),
  checkWith(Service),
  checkWith(ServiceAccount),
];

function checkWith<Kind>(Model: Model<Kind>) {
  return (content: unknown) => (Model.is(content) ? new Model(content) : null);
}

/**
 * Every document in a text. kubectl reads by the rules of YAML 1.1, where a plain `no` is false; Compose does not.
 *
 * @throws YAMLParseError for a document that is none, or has a name twice
 */
export function parseYaml(text: string, version: '1.1' | '1.2'): unknown[] {
  return parseAllDocuments(text, { version, merge: true }).map((document) => {
    if (document.errors[0] !== undefined) {
      throw document.errors[0];
    }
    const content: unknown = document.toJS();
    return content;
  });
}

/** All objects in the YAML files of a folder and those below it, examples included; not how kustomize puts them together. */
export async function readManifests(folder: string): Promise<Manifest[]> {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  const files = names.filter((name) => name.endsWith('.yaml') && !name.endsWith('kustomization.yaml'));
  const found = await Promise.all(
    files.toSorted().map(async (file) => {
      const documents = parseYaml(await readFile(join(ROOT, folder, file), 'utf8'), '1.1');
      return documents.map((content) => toManifest(file, content));
    }),
  );
  return found.flat();
}

export function toManifest(file: string, content: unknown): Manifest {
  const { apiVersion, kind, metadata } = Object.assign(
    { apiVersion: '', kind: '', metadata: { name: '' } },
    content,
  );
  return { file, apiVersion, kind, name: metadata.name, content };
}

/** What the schema of the API has against the values: wrong types, unknown choices, what is missing. */
export function faultsInValues({ apiVersion, kind, content }: Manifest): string | null {
  const model = CHECKS.map((check) => check(content)).find((checked) => checked !== null);
  if (!model) {
    return `There is nothing to check ${apiVersion} ${kind} with`;
  }
  try {
    model.validate();
    return null;
  } catch (error) {
    return String(error);
  }
}

/**
 * Names that the API does not know. Its schema lets them pass, and so may the server, which drops them: a probe with a
 * misspelt setting is a probe with the default. To the compiler, they are excess properties of a type.
 */
export function unknownNames(manifests: readonly Manifest[]): string[] {
  return diagnose(
    manifests
      .map(({ apiVersion, kind, content }, index) => {
        const type = `import('kubernetes-models/${apiVersion}/${kind}').I${kind}`;
        return `export const manifest${index}: ${type} = ${JSON.stringify(content)};`;
      })
      .join('\n'),
  );
}

/** Compiles a module that exists in memory only, as if it stood in the root of the project. */
function diagnose(source: string): string[] {
  const name = join(ROOT, 'manifests-under-test.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2024,
    types: [],
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (path) => path === name || disk.fileExists(path),
    getSourceFile: (path, ...rest) =>
      path === name
        ? ts.createSourceFile(path, source, ts.ScriptTarget.ES2024)
        : disk.getSourceFile(path, ...rest),
  };
  const program = ts.createProgram([name], options, host);
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(name))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}
