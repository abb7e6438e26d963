import { isDeepStrictEqual } from 'node:util';
import type { Bucket, BucketMetadata, Policy, Storage } from '@google-cloud/storage';
import type { AppConfig } from '../../config/app-config.js';
import { StorageUnavailableError } from '../storage.errors.js';
import { DEFAULT_RETRY_POLICY, GcsCalls } from './gcs-calls.js';
import { createGcsClient, GOOGLE_ENDPOINT } from './gcs-client.js';
import { hasStatus, PreconditionFailedError } from './gcs-errors.js';
import { readServiceAccountKey } from './service-account-key.js';
import { type WantedBucket, wantedBuckets } from './wanted-buckets.js';

/** Something about a bucket that is not as it has to be. */
interface Step {
  /** What is done about it, as "to ..." would go on. */
  readonly words: string;
  readonly patch: BucketMetadata;
}

const EVERYBODY = 'allUsers';
/** Lets everybody read an object whose name they know. The Viewer role would let them list all names as well. */
const READ_ONE = 'roles/storage.legacyObjectReader';
const READ_AND_LIST = 'roles/storage.objectViewer';

/** New buckets keep what was deleted for a week (Cloud Storage, "Soft delete"), at its full price. */
const NO_SOFT_DELETE = { retentionDurationSeconds: 0 };
const ONE_DAY_RULE = { action: { type: 'Delete' as const }, condition: { age: 1 } };

export interface SetupOptions {
  /** Of buckets that have to be created; null: where Google creates them by default. */
  readonly location: string | null;
  /** True to look and to say what there is to do, and do none of it. */
  readonly dryRun: boolean;
}

/**
 * Sets up both buckets of a configuration, and yields a sentence for everything that it does.
 *
 * @throws StorageUnavailableError with a cause that says what is missing, often a right; ConfigError
 */
export async function* setUpBuckets(
  { storage, http }: AppConfig,
  options: SetupOptions,
): AsyncGenerator<string> {
  const { projectId, apiEndpoint, credentialsFile } = storage.gcs;
  const client = createGcsClient({
    projectId,
    apiEndpoint: apiEndpoint ?? GOOGLE_ENDPOINT,
    serviceAccount: credentialsFile === null ? null : await readServiceAccountKey(credentialsFile),
  });
  const setup = new BucketSetup(client, new GcsCalls(DEFAULT_RETRY_POLICY), options);
  const { bucket, uploadBucket, access } = storage;
  for (const wanted of wantedBuckets({ bucket, uploadBucket, access, corsOrigins: http.corsOrigins })) {
    yield* setup.run(wanted);
  }
}

/** Creates a bucket of Mediadock, or makes of an existing one what it has to be. May run again at any time. */
export class BucketSetup {
  constructor(
    private readonly client: Storage,
    private readonly calls: GcsCalls,
    private readonly options: SetupOptions,
  ) {}

  async *run(wanted: WantedBucket): AsyncGenerator<string> {
    let isComplete = true;
    for await (const words of this.setUp(this.client.bucket(wanted.name), wanted)) {
      isComplete = false;
      yield `${wanted.name}: ${this.options.dryRun ? 'to do' : 'done'}: ${words}`;
    }
    if (isComplete) {
      yield `${wanted.name}: is as it has to be`;
    }
  }

  private async *setUp(bucket: Bucket, wanted: WantedBucket): AsyncGenerator<string> {
    const existing = (await this.look(bucket)) ?? (yield* this.create(bucket, wanted));
    const steps = stepsFor(existing, wanted);
    if (steps.length > 0 && !this.options.dryRun) {
      const patch = mergePatches(steps);
      const ifMetagenerationMatch = String(existing.metageneration);
      await this.change(
        () => bucket.setMetadata(patch, { ifMetagenerationMatch }),
        async () => stepsFor((await this.look(bucket)) ?? {}, wanted).length === 0,
      );
    }
    for (const { words } of steps) {
      yield words;
    }
    if (wanted.isPublic) {
      yield* this.openToEverybody(bucket, existing);
    }
  }

  /** Null when there is no such bucket. */
  private look(bucket: Bucket): Promise<BucketMetadata | null> {
    return this.calls.run('storage:setup', async () => {
      try {
        const [metadata] = await bucket.getMetadata();
        return metadata;
      } catch (error) {
        if (hasStatus(error, 404)) {
          return null;
        }
        throw error;
      }
    });
  }

  private async *create(bucket: Bucket, wanted: WantedBucket): AsyncGenerator<string, BucketMetadata> {
    const { location, dryRun } = this.options;
    const iamConfiguration = {
      uniformBucketLevelAccess: { enabled: true },
      publicAccessPrevention: wanted.publicAccessPrevention,
    };
    const metadata = wanted.forgetsAfterOneDay
      ? { iamConfiguration, softDeletePolicy: NO_SOFT_DELETE }
      : { iamConfiguration };
    const created = dryRun ? metadata : await this.createNow(bucket, metadata);
    yield `create the bucket${location === null ? '' : ` in ${location}`}`;
    return created;
  }

  private createNow(
    bucket: Bucket,
    wanted: Pick<BucketMetadata, 'iamConfiguration' | 'softDeletePolicy'>,
  ): Promise<BucketMetadata> {
    const { location } = this.options;
    return this.calls.run('storage:setup', async () => {
      try {
        await this.client.createBucket(bucket.name, {
          ...wanted,
          ...(location !== null && { location }),
        });
      } catch (error) {
        // Created by an attempt whose answer was lost. Somebody else's bucket cannot be looked at.
        if (!hasStatus(error, 409)) {
          throw error;
        }
      }
      const [metadata] = await bucket.getMetadata();
      return metadata;
    });
  }

  private async *openToEverybody(bucket: Bucket, existing: BucketMetadata): AsyncGenerator<string> {
    const isThere = existing.name !== undefined;
    const policy: Policy = isThere ? await this.policyOf(bucket) : { bindings: [] };
    const canList = includesEverybody(policy, READ_AND_LIST);
    const canRead = includesEverybody(policy, READ_ONE);
    if (canRead && !canList) {
      return;
    }
    if (!this.options.dryRun) {
      await this.change(
        () => bucket.iam.setPolicy(opened(policy)),
        async () => includesEverybody(await this.policyOf(bucket), READ_ONE),
      );
    }
    if (!canRead) {
      yield 'let everybody read a file whose URL they have';
    }
    if (canList) {
      yield 'stop letting everybody list the names of all files';
    }
  }

  /**
   * Makes a change that names the version which it changes.
   *
   * @param isDone whether it is made after all: its answer may have been lost, and its second attempt been refused
   */
  private async change(call: () => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> {
    try {
      await this.calls.run('storage:setup', call);
    } catch (error) {
      if (!(error instanceof PreconditionFailedError)) {
        throw error;
      }
      if (!(await isDone())) {
        const cause = new Error('Somebody else is changing this bucket at the same time. Run it again');
        throw new StorageUnavailableError('storage:setup', { cause });
      }
    }
  }

  private policyOf(bucket: Bucket): Promise<Policy> {
    return this.calls.run('storage:setup', async () => {
      // In an older version, conditions of other bindings would be lost when the policy is written back.
      const [policy] = await bucket.iam.getPolicy({ requestedPolicyVersion: 3 });
      return policy;
    });
  }
}

function stepsFor(existing: BucketMetadata, wanted: WantedBucket): Step[] {
  const steps: Step[] = [];
  const { iamConfiguration: access, cors = [], lifecycle } = existing;
  if (access?.uniformBucketLevelAccess?.enabled !== true) {
    steps.push({
      words: 'turn on uniform bucket-level access',
      patch: { iamConfiguration: { uniformBucketLevelAccess: { enabled: true } } },
    });
  }
  const { publicAccessPrevention } = wanted;
  if ((access?.publicAccessPrevention === 'enforced') !== (publicAccessPrevention === 'enforced')) {
    steps.push({
      words:
        publicAccessPrevention === 'enforced' ? 'prevent public access' : 'stop preventing public access',
      patch: { iamConfiguration: { publicAccessPrevention } },
    });
  }
  if (!isDeepStrictEqual(cors, wanted.cors)) {
    steps.push({ words: corsWords(wanted.cors), patch: { cors: wanted.cors } });
  }
  const rules = lifecycle?.rule ?? [];
  if (wanted.forgetsAfterOneDay && !rules.some((rule) => isDeepStrictEqual(rule, ONE_DAY_RULE))) {
    steps.push({
      words: 'delete every object after one day',
      patch: { lifecycle: { rule: [...rules, ONE_DAY_RULE] } },
    });
  }
  return wanted.forgetsAfterOneDay ? [...steps, ...stepsToForget(existing)] : steps;
}

/** What is deleted from an upload bucket has never been looked at, or is in the other bucket: nobody wants it back. */
function stepsToForget({ softDeletePolicy, versioning }: BucketMetadata): Step[] {
  const steps: Step[] = [];
  if (Number(softDeletePolicy?.retentionDurationSeconds ?? 0) > 0) {
    steps.push({
      words: 'keep nothing of what was deleted (soft delete)',
      patch: { softDeletePolicy: NO_SOFT_DELETE },
    });
  }
  if (versioning?.enabled === true) {
    steps.push({ words: 'keep no older versions', patch: { versioning: { enabled: false } } });
  }
  return steps;
}

function corsWords([rule]: WantedBucket['cors']): string {
  return rule === undefined
    ? 'let no browser of another origin in (CORS_ORIGINS is empty)'
    : `let browsers from ${rule.origin?.join(', ')} send ${rule.method?.join(', ')} (CORS)`;
}

function mergePatches(steps: readonly Step[]): BucketMetadata {
  const iamConfiguration = Object.assign({}, ...steps.map(({ patch }) => patch.iamConfiguration));
  const merged: BucketMetadata = Object.assign({}, ...steps.map(({ patch }) => patch));
  return Object.keys(iamConfiguration).length > 0 ? { ...merged, iamConfiguration } : merged;
}

function includesEverybody({ bindings }: Policy, role: string): boolean {
  return bindings.some((binding) => binding.role === role && binding.members.includes(EVERYBODY));
}

function opened(policy: Policy): Policy {
  const others = policy.bindings
    .map((binding) =>
      binding.role === READ_AND_LIST || binding.role === READ_ONE
        ? { ...binding, members: binding.members.filter((member) => member !== EVERYBODY) }
        : binding,
    )
    .filter(({ members }) => members.length > 0);
  return { ...policy, bindings: [...others, { role: READ_ONE, members: [EVERYBODY] }] };
}
