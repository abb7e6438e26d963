import type { Redis } from 'ioredis';

/**
 * What Redis does when its memory is full. Managed servers often forbid `CONFIG`; `INFO` tells it too.
 *
 * @returns the name of the policy, or null when Redis keeps it to itself
 */
export async function evictionPolicyOf(redis: Redis): Promise<string | null> {
  return (await fromConfig(redis).catch(() => null)) ?? fromInfo(redis).catch(() => null);
}

async function fromConfig(redis: Redis): Promise<string | null> {
  const answer: unknown = await redis.config('GET', 'maxmemory-policy');
  return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : null;
}

async function fromInfo(redis: Redis): Promise<string | null> {
  const memory = await redis.info('memory');
  return /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? null;
}
