import { parseArgs } from 'node:util';
import { FULL, QUICK, type Scale } from './scale.js';

export interface BenchOptions {
  readonly scale: Scale;
  readonly seed: number;
  /** Ids of the workloads to run; null for all. */
  readonly only: readonly string[] | null;
  /** Given to the service's processes as `NODE_OPTIONS`: for profiles. */
  readonly nodeOptions: string;
}

const USAGE = `npm run bench -- [--quick] [--only id,id] [--seed N] [--node-options "..."]`;

/** @throws Error with the usage */
export function readOptions(args: readonly string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        seed: { type: 'string', default: '1' },
        'node-options': { type: 'string', default: '' },
      },
    });
    return {
      scale: values.quick ? QUICK : FULL,
      seed: Number(values.seed),
      only: values.only?.split(',') ?? null,
      nodeOptions: values['node-options'],
    };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`, { cause: error });
  }
}
