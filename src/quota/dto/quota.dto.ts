import { ApiProperty } from '@nestjs/swagger';
import type { StorageQuota } from '../storage-quota.entity.js';

export class QuotaDto {
  @ApiProperty({
    type: 'integer',
    format: 'int64',
    example: 1073741824,
    description: 'What this user may store in all, in bytes.',
  })
  limitBytes: number;

  @ApiProperty({
    type: 'integer',
    format: 'int64',
    example: 2411724,
    description: 'Bytes of the files in `processing` and `ready`.',
  })
  usedBytes: number;

  @ApiProperty({
    type: 'integer',
    format: 'int64',
    example: 524288,
    description: 'Bytes held for uploads that were requested and neither confirmed nor swept yet.',
  })
  reservedBytes: number;

  @ApiProperty({
    type: 'integer',
    format: 'int64',
    example: 1070805812,
    description: 'What a new upload may still take, in bytes.',
  })
  availableBytes: number;

  constructor(quota: StorageQuota) {
    this.limitBytes = quota.limitBytes;
    this.usedBytes = quota.usedBytes;
    this.reservedBytes = quota.reservedBytes;
    this.availableBytes = quota.availableBytes;
  }
}
