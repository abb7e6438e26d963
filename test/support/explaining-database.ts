import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { Database } from '../../src/database/database.js';
import { PreparedStatements } from '../../src/database/prepared-statements.js';
import type { Query } from '../../src/database/statement.js';

/** What this project looks at in a node of `EXPLAIN (FORMAT JSON)`. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  /** On average of all loops. */
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** How PostgreSQL carried out one statement, measured while it did. */
export class QueryPlan {
  private readonly nodes: readonly PlanNode[];

  constructor(
    /** As `EXPLAIN` writes it for people. */
    readonly text: string,
    root: PlanNode,
  ) {
    this.nodes = flatten(root);
  }

  get indexes(): string[] {
    return this.nodes.flatMap((node) => node['Index Name'] ?? []).toSorted();
  }

  get sorts(): number {
    return this.nodes.filter((node) => node['Node Type'].endsWith('Sort')).length;
  }

  /** How often a table is read from its first row to its last. */
  fullScansOf(table: string): number {
    return this.scansOf(table).filter((node) => node['Node Type'].endsWith('Seq Scan')).length;
  }

  /** Rows that were looked at, those that a filter then dropped included. */
  rowsReadOf(table: string): number {
    const rows = this.scansOf(table).map(
      (node) =>
        node['Actual Loops'] *
        (node['Actual Rows'] +
          (node['Rows Removed by Filter'] ?? 0) +
          (node['Rows Removed by Index Recheck'] ?? 0)),
    );
    return Math.round(rows.reduce((sum, count) => sum + count, 0));
  }

  private scansOf(table: string): PlanNode[] {
    return this.nodes.filter((node) => node['Relation Name'] === table && node['Node Type'].endsWith('Scan'));
  }
}

/**
 * A `Database` that keeps the plan of every statement it runs, so that tests look at the very SQL the repositories
 * send. Only usable within a transaction: measuring a plan runs the statement, which is then undone before it is
 * run for its result.
 */
export class ExplainingDatabase extends Database {
  readonly plans: QueryPlan[] = [];

  /** Runs the work in a transaction that is rolled back. @returns the plans, in the order of the statements */
  static async plansOf(orm: MikroORM, work: (database: Database) => Promise<unknown>): Promise<QueryPlan[]> {
    const statements = await PreparedStatements.on(orm, false);
    const undone = new Error('What was looked at is undone');
    let plans: QueryPlan[] = [];
    await statements
      .transaction(async (transaction) => {
        const database = new ExplainingDatabase(transaction);
        await work(database);
        ({ plans } = database);
        throw undone;
      })
      .catch((error: unknown) => {
        if (error !== undone) {
          throw error;
        }
      });
    return plans;
  }

  override async rows<Row>(query: Query<Row>): Promise<Row[]> {
    const json = await this.explain<readonly [{ readonly Plan: PlanNode }]>(query, 'json');
    const lines = await this.explain<string>(query, 'text');
    const [first] = json;
    if (first === undefined) {
      throw new Error('EXPLAIN gave no plan');
    }
    this.plans.push(new QueryPlan(lines.join('\n'), first[0].Plan));
    return super.rows(query);
  }

  /** Whoever measures a repository's own transaction has to see what is in it. */
  override async transaction<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
    return work(this);
  }

  private async explain<Plan>(query: Query<unknown>, format: 'json' | 'text'): Promise<Plan[]> {
    await super.rows(sql`savepoint before_explain`);
    const rows = await super.rows<{ 'QUERY PLAN': Plan }>(explained(query, format));
    await super.rows(sql`rollback to savepoint before_explain`);
    return rows.map((row) => row['QUERY PLAN']);
  }
}

/** The same statement, asking for its plan. */
function explained(query: Query<unknown>, format: 'json' | 'text'): Query<never> {
  return {
    expressionType: undefined,
    compile(compiler) {
      const { sql: text, parameters } = query.compile(compiler);
      return { sql: `explain (analyze, buffers, costs off, format ${format}) ${text}`, parameters };
    },
  };
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
