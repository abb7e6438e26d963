import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { ProblemError } from '../common/problem.js';
import { Database } from '../database/database.js';
import { type Claim, holdClaim } from '../idempotency/claim.js';
import { QuotaService } from '../quota/quota.service.js';
import type { MediaFile } from './media-file.entity.js';
import { COLUMNS, type MediaFileRow, type NewMediaFile, toMediaFile } from './media-file.row.js';
import { columnsOf, insertFrom, newFiles } from './insertion.js';
import { reservation } from './reservation.js';

/** What became of each file of a batch, at its place: its row, why there is none, or null where none was asked for. */
export type InsertedBatch = (MediaFile | ProblemError | null)[];

/** Many upload requests of one user at the price of few statements. */
@Injectable()
export class BatchUploadsRepository {
  constructor(
    private readonly database: Database,
    private readonly quota: QuotaService,
  ) {}

  /**
   * Reserves and inserts what fits, as if the files had been asked for one after the other. All of them at once is one
   * statement; only when they do not fit together, the ledger is locked to choose among them. Places without a file
   * stay empty.
   */
  async insertReserving(
    userId: string,
    files: readonly (NewMediaFile | null)[],
    claim: Claim | null,
  ): Promise<InsertedBatch> {
    if (files.every((file) => file === null)) {
      return files.map(() => null);
    }
    const rows = await insertAll(this.database, userId, files, claim);
    if (rows !== null) {
      return files.map((file) => file && rowOf(rows, file));
    }
    return this.database.transaction(async (transaction) => {
      if (claim !== null && (await transaction.first(holdClaim(claim))) === null) {
        throw new Error('The claim on the Idempotency-Key was lost');
      }
      return this.insertFitting(transaction, userId, files, claim);
    });
  }

  /** In a transaction, between which and the ledger nobody can come. */
  private async insertFitting(
    transaction: Database,
    userId: string,
    files: readonly (NewMediaFile | null)[],
    claim: Claim | null,
  ): Promise<InsertedBatch> {
    // A place without a file takes no room, so it always fits.
    const sizes = files.map((file) => file?.fileSize ?? 0);
    const refusals = await this.quota.fitting(transaction, userId, sizes);
    const fitting = files.map((file, index) => (refusals[index] === null ? file : null));
    const rows = fitting.every((file) => file === null)
      ? new Map<string, MediaFile>()
      : await insertAll(transaction, userId, fitting, claim);
    if (rows === null) {
      throw new Error('What fits into a locked ledger did not fit');
    }
    return files.map((file, index) => file && (refusals[index] ?? rowOf(rows, file)));
  }
}

/** All or none: null when they do not fit together, or when the claim was lost. */
async function insertAll(
  database: Database,
  userId: string,
  places: readonly (NewMediaFile | null)[],
  claim: Claim | null,
): Promise<ReadonlyMap<string, MediaFile> | null> {
  const files = places.filter((file) => file !== null);
  const bytes = files.reduce((sum, { fileSize }) => sum + fileSize, 0);
  const ids = places.map((file) => file?.id ?? null);
  const rows = await database.rows(sql<MediaFileRow>`
    ${reservation(userId, bytes, claim, ids)}
    ${insertFrom(sql`ledger join ${newFiles(columnsOf(files))} using (user_id)`)}
    returning ${COLUMNS}`);
  return rows.length === 0 ? null : new Map(rows.map((row) => [row.id, toMediaFile(row)]));
}

function rowOf(rows: ReadonlyMap<string, MediaFile>, { id }: NewMediaFile): MediaFile {
  const row = rows.get(id);
  if (row === undefined) {
    throw new Error('A batch was inserted without one of its rows');
  }
  return row;
}
