import { Inject, Injectable, Logger } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Metrics } from '../common/metrics.js';
import { ProblemError } from '../common/problem.js';
import { Database } from '../database/database.js';
import { StorageQuota } from './storage-quota.entity.js';

interface QuotaRow {
  limit_bytes: string;
  used_bytes: string;
  reserved_bytes: string;
}

/** Reads the ledger, opens it for new users, and says no when an upload does not fit. */
@Injectable()
export class QuotaService {
  private readonly logger = new Logger(QuotaService.name);

  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  async read(userId: string): Promise<StorageQuota> {
    const row = (await this.find(userId)) ?? (await this.open(userId));
    return new StorageQuota({
      userId,
      limitBytes: Number(row.limit_bytes),
      usedBytes: Number(row.used_bytes),
      reservedBytes: Number(row.reserved_bytes),
    });
  }

  /**
   * Runs a statement that reserves through `reserve()` of the ledger and yields no row when the bytes do not fit.
   * A user's first upload finds no ledger; it is opened then, and the statement runs once more.
   *
   * @throws ProblemError `quota_exceeded`
   */
  async reserving<Row>(userId: string, bytes: number, statement: RawBuilder<Row>): Promise<Row> {
    const row = await this.database.first(statement);
    if (row !== null) {
      return row;
    }
    const quota = await this.read(userId);
    const retried = bytes <= quota.availableBytes ? await this.database.first(statement) : null;
    if (retried !== null) {
      return retried;
    }
    this.metrics.quotaRefusals.inc();
    this.logger.log(`Refused ${bytes} bytes: ${quota.availableBytes} are available`);
    throw new ProblemError(
      'quota_exceeded',
      `${bytes} bytes do not fit: ${quota.availableBytes} bytes are available`,
    );
  }

  private async find(userId: string): Promise<QuotaRow | null> {
    return this.database.first(sql<QuotaRow>`
      select limit_bytes, used_bytes, reserved_bytes from storage_quotas where user_id = ${userId}`);
  }

  private async open(userId: string): Promise<QuotaRow> {
    // "do update" to itself, so that the row comes back also when another request has just opened it.
    const row = await this.database.first(sql<QuotaRow>`
      insert into storage_quotas as q (user_id, limit_bytes) values (${userId}, ${this.config.media.quotaBytes})
      on conflict (user_id) do update set limit_bytes = q.limit_bytes
      returning limit_bytes, used_bytes, reserved_bytes`);
    if (row === null) {
      throw new Error('An upsert with "returning" gave no row');
    }
    return row;
  }
}
