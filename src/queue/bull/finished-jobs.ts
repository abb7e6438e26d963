import type { Queue } from 'bull';
import type { RedisConnection } from './redis-connection.js';

/**
 * Atomic, so that it never takes away a job that somebody else has just added or begun.
 * A job that is in none of Bull's lists is one whose list was evicted or lost: it would never run, and never let
 * another of its id in.
 */
const FORGET_FINISHED = `
local job, logs, lock, completed, failed, delayed = unpack(KEYS, 1, 6)
local id = ARGV[1]
if redis.call('EXISTS', job) == 0 then
  return 0
end
local finished = redis.call('ZREM', completed, id) + redis.call('ZREM', failed, id)
if finished == 0 then
  if redis.call('EXISTS', lock) == 1 or redis.call('ZSCORE', delayed, id) then
    return 0
  end
  for i = 7, 9 do
    -- An error (before Redis 6.0.6 there is no LPOS) counts as found.
    if redis.pcall('LPOS', KEYS[i], id) then
      return 0
    end
  end
end
redis.call('DEL', job, logs)
return 1
`;

/**
 * Makes room for a job whose id is that of an earlier one which is over, but kept for an operator to look at. Bull
 * ignores a job whose id exists, whatever has become of the other, without a word.
 */
export async function forgetFinished(redis: RedisConnection, queue: Queue, id: string): Promise<void> {
  const keys = [
    queue.toKey(id),
    queue.toKey(`${id}:logs`),
    queue.toKey(`${id}:lock`),
    queue.toKey('completed'),
    queue.toKey('failed'),
    queue.toKey('delayed'),
    queue.toKey('wait'),
    queue.toKey('paused'),
    queue.toKey('active'),
  ];
  await redis.eval(FORGET_FINISHED, keys.length, ...keys, id);
}
