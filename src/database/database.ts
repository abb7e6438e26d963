import { Injectable } from '@nestjs/common';
import type { PreparedStatements } from './prepared-statements.js';
import type { Query } from './statement.js';

/**
 * The way from a repository to PostgreSQL: one call is one statement, and one round trip.
 *
 * Statements are written as SQL (`sql` of kysely, so values are always parameters): each state change is one
 * conditional statement that reports what it did, which a unit of work that loads and flushes cannot express. Those that
 * every request needs are a `Statement`, whose text is made once.
 */
@Injectable()
export class Database {
  constructor(private readonly statements: PreparedStatements) {}

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    return this.statements.rows(query);
  }

  async first<Row>(query: Query<Row>): Promise<Row | null> {
    const [row] = await this.rows(query);
    return row ?? null;
  }

  /** For the few jobs that need more than one statement; never around a call to storage or the queue. */
  async transaction<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
    return this.statements.transaction((statements) => work(new Database(statements)));
  }
}
