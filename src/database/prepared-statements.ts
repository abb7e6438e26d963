import type { MikroORM } from '@mikro-orm/postgresql';
import type { Kysely } from 'kysely';
import type { Pool, QueryResultRow } from 'pg';
import type { Query } from './statement.js';

/** Far more than there are: each is memory on every connection, so a text with a value in it must not fill them up. */
const MAX_STATEMENTS = 500;

/**
 * Runs statements on the ORM's own pool, each prepared once a connection: PostgreSQL then reads and plans it once, not every
 * time, which is nearly half of its work for a statement that inserts or updates one row (docs/benchmarks.md).
 */
export class PreparedStatements {
  private readonly names = new Map<string, string>();

  private constructor(
    private readonly pool: Pool,
    private readonly compiler: Kysely<unknown>,
    private readonly prepare: boolean,
  ) {}

  /** @param prepare false behind a pooler, which may give every statement another connection */
  static async on(orm: MikroORM, prepare: boolean): Promise<PreparedStatements> {
    return new PreparedStatements(await nativePool(orm), orm.em.getKysely(), prepare);
  }

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    const { sql: text, parameters } = query.compile(this.compiler);
    const name = this.nameOf(text);
    const result = await this.pool.query<Row & QueryResultRow>({
      ...(name === undefined ? {} : { name }),
      text,
      values: [...parameters],
    });
    return result.rows;
  }

  private nameOf(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || !this.prepare || this.names.size === MAX_STATEMENTS) {
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
