import { Check, Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/**
 * One user's ledger. `usedBytes` are the live verified files, `reservedBytes` the uploads under way; both move
 * only through the statements of `quota-ledger.ts`.
 */
@Entity({ tableName: 'storage_quotas' })
@Check({ name: 'storage_quotas_limit_bytes_check', expression: 'limit_bytes >= 0' })
@Check({ name: 'storage_quotas_used_bytes_check', expression: 'used_bytes >= 0' })
@Check({ name: 'storage_quotas_reserved_bytes_check', expression: 'reserved_bytes >= 0' })
export class StorageQuota {
  @PrimaryKey({ type: 'uuid' })
  userId: string;

  /** Bytes. */
  @Property({ type: 'bigint' })
  limitBytes: number;

  /** Bytes. */
  @Property({ type: 'bigint', default: 0 })
  usedBytes: number;

  /** Bytes. */
  @Property({ type: 'bigint', default: 0 })
  reservedBytes: number;

  constructor(properties: { userId: string; limitBytes: number; usedBytes: number; reservedBytes: number }) {
    this.userId = properties.userId;
    this.limitBytes = properties.limitBytes;
    this.usedBytes = properties.usedBytes;
    this.reservedBytes = properties.reservedBytes;
  }

  /** What a new upload may still take; never below zero, also when the limit was lowered under what is used. */
  get availableBytes(): number {
    return Math.max(0, this.limitBytes - this.usedBytes - this.reservedBytes);
  }
}
