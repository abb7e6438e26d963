import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Member } from '../support/cluster.js';
import type { FaultEffect } from '../support/gcs/faults.js';

type Random = () => number;

/** One way to make trouble; it is over when the promise resolves. */
interface Trouble {
  readonly name: string;
  readonly make: (cluster: Cluster, random: Random) => Promise<void>;
}

const between = (random: Random, from: number, to: number): number => from + random() * (to - from);
const pick = <Item>(random: Random, items: readonly Item[]): Item => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) {
    throw new RangeError('There is nothing to pick from');
  }
  return item;
};
const pause = (random: Random, from: number, to: number): Promise<void> => sleep(between(random, from, to));

async function killAndRestart(member: Member, random: Random): Promise<void> {
  await member.kill();
  await pause(random, 0, 2_000);
  await member.startUntilUp();
}

async function stopAndRestart(member: Member): Promise<void> {
  await member.stop();
  await member.startUntilUp();
}

async function freeze(member: Member, random: Random): Promise<void> {
  member.pause();
  await pause(random, 300, 4_000);
  member.resume();
}

/** What happens to our own processes. */
const OF_MEMBERS: readonly Trouble[] = [
  { name: 'worker killed', make: ({ workers }, random) => killAndRestart(pick(random, workers), random) },
  { name: 'worker replaced', make: ({ workers }, random) => stopAndRestart(pick(random, workers)) },
  { name: 'worker frozen', make: ({ workers }, random) => freeze(pick(random, workers), random) },
  { name: 'api killed', make: ({ apis }, random) => killAndRestart(pick(random, apis), random) },
  { name: 'api replaced', make: ({ apis }, random) => stopAndRestart(pick(random, apis)) },
  { name: 'api frozen', make: ({ apis }, random) => freeze(pick(random, apis), random) },
];

/** A wrong bit is not among them: TLS does not let one through, and a few first bytes have no checksum of their own. */
const STORE_FAULTS: readonly FaultEffect[] = [
  { kind: 'status', status: 503 },
  { kind: 'status', status: 429 },
  { kind: 'reset' },
  { kind: 'answer-lost' },
  { kind: 'stall' },
  { kind: 'body-cut' },
  { kind: 'body-stall' },
  { kind: 'slow-body', pauseMs: 50 },
];

/** What happens to the parts that they stand on. */
const OF_PARTS: readonly Trouble[] = [
  {
    name: 'redis killed',
    make: async ({ redis }, random) => {
      await redis.stop();
      await pause(random, 500, 5_000);
      await redis.start();
    },
  },
  {
    name: 'redis frozen',
    make: async ({ redis }, random) => {
      redis.pause();
      await pause(random, 500, 5_000);
      redis.resume();
    },
  },
  {
    name: 'postgres killed',
    make: async ({ postgres }, random) => {
      await postgres.kill();
      await pause(random, 0, 3_000);
      await postgres.startAgain();
    },
  },
  {
    name: 'postgres restarted',
    make: async ({ postgres }, random) => {
      await postgres.stop();
      await pause(random, 0, 3_000);
      await postgres.startAgain();
    },
  },
  {
    name: 'postgres connections cut',
    make: async ({ postgres }) => postgres.cutConnections(),
  },
  {
    name: 'storage down',
    make: async ({ gcs }, random) => {
      await gcs.down();
      await pause(random, 500, 5_000);
      await gcs.up();
    },
  },
  {
    name: 'storage flaky',
    make: async ({ gcs }, random) => {
      for (const effect of STORE_FAULTS) {
        gcs.faults.always(effect, () => random() < 0.04);
      }
      await pause(random, 1_000, 6_000);
      gcs.faults.clear();
    },
  },
];

/** Takes parts away and gives them back, at random from a seed, until its time is over. */
export class Havoc {
  /** How often each kind of trouble was made. */
  readonly made = new Map<string, number>();

  constructor(
    private readonly cluster: Cluster,
    private readonly random: Random,
  ) {}

  /** One process and one part may be in trouble at the same time. All is up again when this resolves. */
  async run(milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds;
    await Promise.all([this.lane(OF_MEMBERS, deadline), this.lane(OF_PARTS, deadline)]);
  }

  private async lane(troubles: readonly Trouble[], deadline: number): Promise<void> {
    while (Date.now() < deadline) {
      const { name, make } = pick(this.random, troubles);
      this.made.set(name, (this.made.get(name) ?? 0) + 1);
      await make(this.cluster, this.random);
      await pause(this.random, 200, 1_500);
    }
  }
}
