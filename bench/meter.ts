import type { ChildServer } from './child-server.js';
import { load, type LoadOptions } from './load.js';
import { cpuMs, cpuMsWithChildren } from './process-meter.js';
import type { Sample } from './rounds.js';
import type { Stage } from './stage.js';

/** Puts a server under load, and weighs what it and the servers behind it had to do for that. */
export async function measure(
  stage: Stage,
  server: ChildServer,
  options: Omit<LoadOptions, 'origin'> & {
    /** How many requests make one unit of work. */
    readonly requestsPerUnit?: number;
  },
): Promise<Sample> {
  const { requestsPerUnit = 1, ...rest } = options;
  const before = await cpuOf(stage, server);
  const { requestsPerSecond, answered, p50Ms, p99Ms } = await load({ ...rest, origin: server.origin });
  const after = await cpuOf(stage, server);
  const units = answered / requestsPerUnit;
  return {
    value: requestsPerSecond / requestsPerUnit,
    p50Ms,
    p99Ms,
    cpu: {
      service: (after.server - before.server) / units,
      postgres: (after.postgres - before.postgres) / units,
      redis: (after.redis - before.redis) / units,
    },
  };
}

async function cpuOf(stage: Stage, server: ChildServer) {
  const [own, postgres, redis] = await Promise.all([
    cpuMs(server.pid),
    cpuMsWithChildren(stage.postgresPid),
    stage.redisPid === null ? 0 : cpuMs(stage.redisPid),
  ]);
  return { server: own, postgres, redis };
}
