import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import { Secret } from 'kubernetes-models/v1/Secret';
import { Service } from 'kubernetes-models/v1/Service';
import { describe, expect, it } from 'vitest';
import { parseEnvironment } from '../../src/config/parse-environment.js';
import { unknownVariables } from '../support/environment-names.js';
import {
  faultsInValues,
  type Manifest,
  parseYaml,
  readManifests,
  ROOT,
  toManifest,
  unknownNames,
} from '../support/manifests.js';

const FOLDER = 'deploy/kubernetes';
/** PostgreSQL allows 100, and keeps three of them for its superuser. */
const CONNECTIONS = 97;
/** `HARD_STOP_MS` of the server. */
const STOPS_WITHIN_SECONDS = 9;

const manifests = await readManifests(FOLDER);
const contents = manifests.map(({ content }) => content);
const deployments = contents.filter((content) => Deployment.is(content));
const autoscalers = contents.filter((content) => HorizontalPodAutoscaler.is(content));
const pods = [...deployments, ...contents.filter((content) => Job.is(content))].map((workload) => ({
  name: workload.metadata?.name ?? '',
  labels: workload.spec?.template.metadata?.labels ?? {},
  spec: specOf(workload.spec?.template.spec),
}));

describe('the Kubernetes manifests', () => {
  it.each(manifests)('have only values that the API takes: $kind $name', (manifest) => {
    expect(faultsInValues(manifest)).toBeNull();
  });

  it('have no name in them that the API does not know', () => {
    expect(unknownNames(manifests)).toEqual([]);
  });

  it('would not get through with a misspelt setting, nor with a value of the wrong type', () => {
    expect(unknownNames([changed('"periodSeconds":10', '"periodSecond":10')])).toHaveLength(1);
    expect(faultsInValues(changed('"periodSeconds":10', '"periodSeconds":"10"'))).toContain(
      'must be integer',
    );
    expect(faultsInValues(changed('"name":"api",', ''))).toContain('name');
  });

  it('are all applied, but for the examples and what holds secrets', async () => {
    const applied = await Promise.all(['.', 'migration'].map((folder) => resourcesOf(folder)));
    const files = new Set(manifests.map(({ file }) => file));
    expect([...files].filter((file) => !applied.flat().includes(file))).toEqual([
      'ingress.yaml',
      'network-policy.yaml',
      'secret.example.yaml',
    ]);
    expect(applied.flat().filter((file) => !files.has(file))).toEqual([]);
  });

  it('belong to one namespace', () => {
    const namespaced = manifests.filter(({ kind }) => kind !== 'Namespace');
    expect(
      new Set(namespaced.map(({ content }) => JSON.stringify(content).includes('"namespace":"mediadock"'))),
    ).toEqual(new Set([true]));
  });

  it('name each other rightly', () => {
    for (const { spec } of pods) {
      expect(named('ServiceAccount')).toContain(spec.serviceAccountName);
      for (const { configMapRef, secretRef } of spec.containers[0]?.envFrom ?? []) {
        expect([...named('ConfigMap'), ...named('Secret')]).toContain((configMapRef ?? secretRef)?.name);
      }
    }
    for (const { spec } of autoscalers) {
      expect(named('Deployment')).toContain(spec?.scaleTargetRef.name);
    }
    expect(autoscalers).toHaveLength(deployments.length);
  });

  it('select the pods that they mean', () => {
    const labelsOf = new Map(pods.map(({ name, labels }) => [name, labels]));
    for (const { metadata, spec } of deployments) {
      expect(spec?.selector.matchLabels).toEqual(labelsOf.get(metadata?.name ?? ''));
    }
    for (const { metadata, spec } of contents.filter((content) => Service.is(content))) {
      expect(spec?.selector).toEqual(labelsOf.get(metadata?.name ?? ''));
    }
    const budgets = contents.filter((content) => PodDisruptionBudget.is(content));
    expect(budgets).toHaveLength(deployments.length);
    for (const { metadata, spec } of budgets) {
      expect(spec?.selector?.matchLabels).toEqual(labelsOf.get(metadata?.name ?? ''));
    }
  });
});

describe('the pods', () => {
  it.each(pods)('of $name ask for nothing that the restricted Pod Security Standard forbids', ({ spec }) => {
    expect(spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(spec.automountServiceAccountToken).toBe(false);
    expect(spec.volumes?.map(({ emptyDir }) => emptyDir)).toEqual([{ sizeLimit: '16Mi' }]);
    for (const { securityContext } of spec.containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  it.each(pods)('of $name say what they need, and how much memory is too much', ({ spec }) => {
    for (const { resources } of spec.containers) {
      expect(Object.keys(resources?.requests ?? {})).toEqual(['cpu', 'memory']);
      expect(Object.keys(resources?.limits ?? {})).toEqual(['memory']);
    }
  });

  it.each(pods.filter(({ name }) => !name.endsWith('migrate')))(
    'of $name are asked where the process answers, and are given the time to stop',
    ({ spec }) => {
      const [container] = spec.containers;
      expect(container?.startupProbe?.httpGet).toEqual({ path: '/health/live', port: 'http' });
      expect(container?.livenessProbe?.httpGet).toEqual({ path: '/health/live', port: 'http' });
      expect(container?.readinessProbe?.httpGet).toEqual({ path: '/health/ready', port: 'http' });
      expect(container?.ports).toEqual([{ name: 'http', containerPort: 3000 }]);
      const waits = container?.lifecycle?.preStop?.sleep?.seconds ?? 0;
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(waits + STOPS_WITHIN_SECONDS + 1);
    },
  );

  it.each(pods)(
    'of $name start: their settings are known, and make a configuration for production',
    ({ spec }) => {
      const settings = settingsOf(spec);
      expect(unknownVariables(Object.keys(settings))).toEqual([]);
      expect(parseEnvironment({ NODE_ENV: 'production', ...settings })).toMatchObject({
        storage: { driver: 'gcs', access: 'private' },
      });
    },
  );

  it('have one of two roles', () => {
    const roles = pods.map(({ name, spec }) => [name, settingsOf(spec)['ROLE']]);
    expect(Object.fromEntries(roles)).toEqual({
      'mediadock-api': 'api',
      'mediadock-worker': 'worker',
      'mediadock-migrate': undefined,
    });
  });

  it('fit into the connections of a PostgreSQL as it comes, also in the middle of a rollout', () => {
    const most = deployments.map(({ metadata, spec }) => {
      const scaler = autoscalers.find((one) => one.spec?.scaleTargetRef.name === metadata?.name);
      return (scaler?.spec?.maxReplicas ?? 0) + Number(spec?.strategy?.rollingUpdate?.maxSurge);
    });
    const [pool = 0] = contents
      .filter((content) => ConfigMap.is(content))
      .map(({ data }) => data?.['DATABASE_POOL_SIZE']);
    expect(most.reduce((sum, count) => sum + count) * Number(pool)).toBeLessThan(CONNECTIONS);
  });
});

describe('the migration Job', () => {
  it('runs a command that there is, below the entry point of the image', () => {
    const [container] = pods.find(({ name }) => name === 'mediadock-migrate')?.spec.containers ?? [];
    expect(container?.command).toBeUndefined();
    expect(container?.args).toEqual(['node', 'dist/src/cli/migrate.js']);
    expect(existsSync(join(ROOT, 'src', 'cli', 'migrate.ts'))).toBe(true);
  });
});

describe('the release', () => {
  it('has one number everywhere', async () => {
    const { version } = Object.assign({ version: '' }, JSON.parse(await text('package.json')));
    for (const folder of [FOLDER, `${FOLDER}/migration`]) {
      expect(await text(`${folder}/kustomization.yaml`)).toContain(`newTag: ${version}\n`);
    }
    expect(await text('Dockerfile')).toContain(`ARG VERSION=${version}\n`);
    expect(await text('compose.yaml')).toContain(`mediadock:\${MEDIADOCK_VERSION:-${version}}\n`);
  });
});

function named(kind: string): string[] {
  return manifests.filter((manifest) => manifest.kind === kind).map(({ name }) => name);
}

function text(path: string): Promise<string> {
  return readFile(join(ROOT, path), 'utf8');
}

function specOf(spec: IPodSpec | undefined): IPodSpec {
  return spec ?? { containers: [] };
}

/** What the process finds in its environment, beside what the image sets. */
function settingsOf(spec: IPodSpec): Record<string, string> {
  const config = contents.filter((content) => ConfigMap.is(content)).map(({ data }) => data);
  const secrets = contents.filter((content) => Secret.is(content)).map(({ stringData }) => stringData);
  const own = (spec.containers[0]?.env ?? []).map(({ name, value }) => ({ [name]: value ?? '' }));
  return Object.assign({}, ...config, ...secrets, ...own);
}

/** The first Deployment with something else in its JSON. */
function changed(before: string, after: string): Manifest {
  const json = JSON.stringify(deployments[0]);
  expect(json).toContain(before);
  return toManifest('', JSON.parse(json.replace(before, after)));
}

async function resourcesOf(folder: string): Promise<string[]> {
  const [content] = parseYaml(await text(join(FOLDER, folder, 'kustomization.yaml')), '1.1');
  const { resources } = Object.assign({ resources: [''] }, content);
  return resources.map((file) => join(folder, file));
}
