import { Redis } from 'ioredis';
import { evictionPolicyOf } from '../queue/bull/eviction-policy.js';
import { type Finding, ok, problem, reasonOf, warning } from './finding.js';

const CHECK = 'redis';
const TIMEOUT_MS = 5_000;

/** Reachable, with the right password, and not about to throw jobs away. */
export async function checkRedis(url: string): Promise<Finding[]> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let fault: unknown = null;
  // The reason for a refusal comes as an event; what the call rejects with says only that the connection is closed.
  redis.on('error', (error) => {
    fault = error;
  });
  try {
    await redis.connect();
    await redis.ping();
    return [ok(CHECK, 'Redis answers'), policyFinding(await evictionPolicyOf(redis))];
  } catch (error) {
    return [
      problem(
        CHECK,
        `Redis cannot be reached: ${reasonOf(fault ?? error)}`,
        'Check REDIS_URL, its password, and the network between',
      ),
    ];
  } finally {
    redis.disconnect();
  }
}

function policyFinding(policy: string | null): Finding {
  if (policy === null) {
    return warning(
      CHECK,
      'Redis does not tell what it does when it is full',
      'See to it that maxmemory-policy is noeviction',
    );
  }
  return policy === 'noeviction'
    ? ok(CHECK, 'Redis does not evict keys')
    : problem(
        CHECK,
        `Redis evicts keys when it is full (${policy}): jobs can vanish`,
        'Set maxmemory-policy to noeviction',
      );
}
