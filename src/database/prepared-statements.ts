import type { MikroORM } from '@mikro-orm/postgresql';
import type { Kysely } from 'kysely';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import type { Query } from './statement.js';

/** Far more than there are: each is memory on every connection, so a text with a value in it must not fill them up. */
const MAX_STATEMENTS = 500;

/**
 * Runs statements on the ORM's own pool, each prepared once a connection: PostgreSQL then reads and plans it once, not every
 * time, which is nearly half of its work for a statement that inserts or updates one row (docs/benchmarks.md).
 */
export class PreparedStatements {
  private constructor(
    private readonly pool: Pool,
    private readonly connection: Pool | PoolClient,
    private readonly compiler: Kysely<unknown>,
    private readonly names: StatementNames | null,
  ) {}

  /** @param prepare false behind a pooler, which may give every statement another connection */
  static async on(orm: MikroORM, prepare: boolean): Promise<PreparedStatements> {
    const pool = await nativePool(orm);
    return new PreparedStatements(pool, pool, orm.em.getKysely(), prepare ? new StatementNames() : null);
  }

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    const { sql: text, parameters } = query.compile(this.compiler);
    const name = this.names?.of(text);
    const result = await this.connection.query<Row & QueryResultRow>({
      ...(name === undefined ? {} : { name }),
      text,
      values: [...parameters],
    });
    return result.rows;
  }

  /**
   * Runs work between BEGIN and COMMIT, on one connection. One that cannot even roll back is closed: the ORM's own
   * transactions keep it, and after as many as the pool has connections, nothing works any more.
   */
  async transaction<Result>(work: (statements: PreparedStatements) => Promise<Result>): Promise<Result> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      const result = await work(new PreparedStatements(this.pool, client, this.compiler, this.names));
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      await client.query('rollback').then(
        () => client.release(),
        () => client.release(true),
      );
      throw error;
    }
  }
}

/** The same name for the same text, on every connection. */
class StatementNames {
  private readonly names = new Map<string, string>();

  of(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || this.names.size === MAX_STATEMENTS) {
      return known;
    }
    const name = `mediadock_${this.names.size}`;
    this.names.set(text, name);
    return name;
  }
}

async function nativePool(orm: MikroORM): Promise<Pool> {
  const connection = orm.em.getConnection();
  return connection.getNativeClient();
}
