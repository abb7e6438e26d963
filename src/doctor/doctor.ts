import type { AppConfig } from '../config/app-config.js';
import type { Secrets } from '../config/secrets.js';
import { createGcsStorage } from '../storage/create-object-storage.js';
import { checkAuth } from './check-auth.js';
import { checkBuckets } from './check-buckets.js';
import { checkDatabase } from './check-database.js';
import { checkDisk } from './check-local.js';
import { checkRedis } from './check-redis.js';
import { checkStorage } from './check-storage.js';
import { type Check, type Finding, problem, reasonOf } from './finding.js';
import { withLocalUrls } from './local-url-server.js';

/** Looks at every part of an installation from outside, one after the other, and never stops at the first fault. */
export async function examine(config: AppConfig, secrets: Secrets): Promise<Finding[]> {
  const local = config.storage.driver === 'local';
  const checks: Record<string, Check> = {
    tokens: () => checkAuth(config),
    disk: async () => (local || config.database.url === null ? checkDisk(config) : []),
    database: () => checkDatabase(config),
    redis: async () => (config.redis.url === null ? [] : checkRedis(config.redis.url)),
    buckets: async () => (local ? [] : checkBuckets(config)),
    storage: async () =>
      local
        ? withLocalUrls(config, secrets, (storage) => checkStorage(config, storage))
        : checkStorage(config, await createGcsStorage(config)),
  };
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(checks)) {
    findings.push(...(await check().catch((error: unknown) => [failed(name, error)])));
  }
  return findings;
}

function failed(name: string, error: unknown): Finding {
  return problem(name, `It could not be checked: ${reasonOf(error)}`, 'Mend that first, then run this again');
}
