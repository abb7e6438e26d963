import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../database/database.js';
import { QuotaService } from './quota.service.js';

/** A ledger that does not say what the rows say. All figures in bytes. */
export interface QuotaDrift {
  readonly userId: string;
  readonly usedBytes: number;
  readonly actualUsedBytes: number;
  readonly reservedBytes: number;
  readonly actualReservedBytes: number;
}

interface DriftRow {
  user_id: string;
  used_bytes: string;
  actual_used: string;
  reserved_bytes: string;
  actual_reserved: string;
}

/** What a user's rows amount to: the definition that the ledger has to agree with at any time. */
const ACTUAL = sql`
  select user_id,
    coalesce(sum(file_size) filter (where deleted_at is null and status in ('processing', 'ready')), 0) as used,
    coalesce(sum(file_size) filter (where reservation_open), 0) as reserved
  from media_files`;

/** Compares the ledger with the rows it stands for, and can put it right again. */
@Injectable()
export class QuotaReconciler {
  constructor(
    private readonly database: Database,
    private readonly quota: QuotaService,
  ) {}

  /** Every ledger that is off, or not there although its user has files. One statement, so one snapshot: uploads under way do not look like drift. */
  async findDrift(): Promise<QuotaDrift[]> {
    const rows = await this.unhurried((database) =>
      database.rows(sql<DriftRow>`
      with actual as (${ACTUAL} group by user_id)
      select user_id, coalesce(q.used_bytes, 0) as used_bytes, coalesce(q.reserved_bytes, 0) as reserved_bytes,
        coalesce(a.used, 0) as actual_used, coalesce(a.reserved, 0) as actual_reserved
      from storage_quotas q full join actual a using (user_id)
      where (coalesce(q.used_bytes, 0), coalesce(q.reserved_bytes, 0)) <> (coalesce(a.used, 0), coalesce(a.reserved, 0))
      order by user_id`),
    );
    return rows.map((row) => ({
      userId: row.user_id,
      usedBytes: Number(row.used_bytes),
      actualUsedBytes: Number(row.actual_used),
      reservedBytes: Number(row.reserved_bytes),
      actualReservedBytes: Number(row.actual_reserved),
    }));
  }

  /**
   * Sets one user's ledger to what the rows say. The ledger row is locked first: every statement that moves it
   * waits, so the sum is taken over rows that nobody is settling meanwhile.
   */
  async repair(userId: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await this.quota.open(transaction, userId);
      // Two sums instead of ACTUAL: each finds the rows of one user by an index of its own.
      await transaction.rows(sql`
        update storage_quotas q
        set used_bytes = (
            select coalesce(sum(file_size), 0) from media_files f
            where f.user_id = q.user_id and f.deleted_at is null and f.status in ('processing', 'ready')),
          reserved_bytes = (
            select coalesce(sum(file_size), 0) from media_files f where f.user_id = q.user_id and f.reservation_open)
        where q.user_id = ${userId}`);
    });
  }

  /** An operator's look at everything may take longer than any request, and reads tables from end to end. */
  private async unhurried<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
    return this.database.transaction(async (transaction) => {
      await transaction.rows(
        sql`select set_config('statement_timeout', '0', true), set_config('enable_seqscan', 'on', true)`,
      );
      return work(transaction);
    });
  }
}
