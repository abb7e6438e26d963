import { Client } from 'pg';
import { vi } from 'vitest';
import { Metrics } from '../../src/common/metrics.js';
import type { TestApp } from './test-app.js';

/** What an operation makes others do. */
export interface Work {
  /** Statements that PostgreSQL was sent, each a round trip; what begins and ends a transaction counts as well. */
  readonly statements: number;
  /** Calls to object storage, by verb. */
  readonly storage: Readonly<Record<string, number>>;
}

/** Counts what really goes over the wire to PostgreSQL, and what really reaches the storage driver. */
export class WorkCounter {
  constructor(private readonly mediadock: TestApp) {}

  async of(operation: () => Promise<unknown>): Promise<Work> {
    const storageBefore = await this.storageCalls();
    const queries = vi.spyOn(Client.prototype, 'query');
    await operation();
    const texts = queries.mock.calls.map(([query]: unknown[]) => textOf(query));
    queries.mockRestore();
    const storageAfter = await this.storageCalls();
    const storage = Object.entries(storageAfter).flatMap(([verb, count]) => {
      const calls = count - (storageBefore[verb] ?? 0);
      return calls === 0 ? [] : [[verb, calls] as const];
    });
    // What sets up a new connection of the pool is none of the operation's doing.
    const statements = texts.filter((text) => !/^set statement_timeout/i.test(text)).length;
    return { statements, storage: Object.fromEntries(storage) };
  }

  private async storageCalls(): Promise<Record<string, number>> {
    const { values } = await this.mediadock.app.get(Metrics).storageCalls.get();
    const counts: Record<string, number> = {};
    for (const { metricName, labels, value } of values) {
      if (metricName?.endsWith('_count') === true) {
        const verb = String(labels.verb);
        counts[verb] = (counts[verb] ?? 0) + value;
      }
    }
    return counts;
  }
}

function textOf(query: unknown): string {
  if (typeof query === 'string') {
    return query;
  }
  return typeof query === 'object' && query !== null && 'text' in query ? String(query.text) : '';
}
