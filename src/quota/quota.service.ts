import { Inject, Injectable, Logger } from '@nestjs/common';
import { sql } from 'kysely';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { Metrics } from '../common/metrics.js';
import { ProblemError } from '../common/problem.js';
import { Database } from '../database/database.js';
import type { Query } from '../database/statement.js';
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
    return quotaOf(userId, (await this.find(userId)) ?? (await this.open(this.database, userId)));
  }

  /**
   * Runs a statement that reserves through `reserve()` of the ledger and yields no row when the bytes do not fit.
   * A user's first upload finds no ledger; it is opened then, and the statement runs once more.
   *
   * @throws ProblemError `quota_exceeded`
   */
  async reserving<Row>(userId: string, bytes: number, statement: Query<Row>): Promise<Row> {
    return (await this.database.first(statement)) ?? this.reservingAfterAll(userId, bytes, statement);
  }

  /**
   * The same for who has tried already, and got no row: looks whether that was for want of a ledger, or of room.
   *
   * @throws ProblemError `quota_exceeded`
   */
  async reservingAfterAll<Row>(userId: string, bytes: number, statement: Query<Row>): Promise<Row> {
    const { availableBytes } = await this.read(userId);
    const row = bytes <= availableBytes ? await this.database.first(statement) : null;
    if (row === null) {
      throw this.refuse(bytes, availableBytes);
    }
    return row;
  }

  /**
   * Says which of these sizes fit if they are asked for one after the other, and keeps the ledger locked until the end
   * of the transaction, so that it stays true. A user's first upload finds no ledger; it is opened then.
   *
   * @returns the refusal of each size, or null where it fits
   */
  async fitting(
    transaction: Database,
    userId: string,
    sizes: readonly number[],
  ): Promise<(ProblemError | null)[]> {
    let { availableBytes } = quotaOf(userId, await this.open(transaction, userId));
    return sizes.map((bytes) => {
      if (bytes > availableBytes) {
        return this.refuse(bytes, availableBytes);
      }
      availableBytes -= bytes;
      return null;
    });
  }

  /** Counts and logs a refusal, and puts it into words. */
  private refuse(bytes: number, availableBytes: number): ProblemError {
    this.metrics.quotaRefusals.inc();
    this.logger.log(`Refused ${bytes} bytes: ${availableBytes} are available`);
    return new ProblemError(
      'quota_exceeded',
      `${bytes} bytes do not fit: ${availableBytes} bytes are available`,
    );
  }

  private async find(userId: string): Promise<QuotaRow | null> {
    return this.database.first(sql<QuotaRow>`
      select limit_bytes, used_bytes, reserved_bytes from storage_quotas where user_id = ${userId}`);
  }

  /** Opens a user's ledger, if there is none yet, and keeps it locked until the end of a transaction. */
  async open(database: Database, userId: string): Promise<QuotaRow> {
    // "do update" to itself, so that the row comes back, and is locked, also when it has been opened before.
    const row = await database.first(sql<QuotaRow>`
      insert into storage_quotas as q (user_id, limit_bytes) values (${userId}, ${this.config.media.quotaBytes})
      on conflict (user_id) do update set limit_bytes = q.limit_bytes
      returning limit_bytes, used_bytes, reserved_bytes`);
    if (row === null) {
      throw new Error('An upsert with "returning" gave no row');
    }
    return row;
  }
}

function quotaOf(userId: string, row: QuotaRow): StorageQuota {
  return new StorageQuota({
    userId,
    limitBytes: Number(row.limit_bytes),
    usedBytes: Number(row.used_bytes),
    reservedBytes: Number(row.reserved_bytes),
  });
}
