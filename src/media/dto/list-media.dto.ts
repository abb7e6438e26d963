import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { MEDIA_STATUSES, type MediaStatus } from '../media-file.entity.js';
import { MEDIA_TYPES, type MediaType } from '../media-types.js';

const MAX_LIMIT = 100;

export class ListMediaDto {
  @ApiPropertyOptional({ enum: MEDIA_TYPES, example: 'image', description: 'Only files of this kind.' })
  @IsOptional()
  @IsIn(MEDIA_TYPES, { message: `mediaType must be one of: ${MEDIA_TYPES.join(', ')}` })
  mediaType?: MediaType;

  @ApiPropertyOptional({
    enum: MEDIA_STATUSES,
    example: 'ready',
    description: 'Only files in this status. Without it, all but `failed`.',
  })
  @IsOptional()
  @IsIn(MEDIA_STATUSES, { message: `status must be one of: ${MEDIA_STATUSES.join(', ')}` })
  status?: MediaStatus;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_LIMIT,
    default: 20,
    example: 20,
    description: 'Files a page.',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value,
  )
  @IsInt({ message: `limit must be a whole number from 1 to ${MAX_LIMIT}` })
  @Min(1, { message: `limit must be a whole number from 1 to ${MAX_LIMIT}` })
  @Max(MAX_LIMIT, { message: `limit must be a whole number from 1 to ${MAX_LIMIT}` })
  limit = 20;

  @ApiPropertyOptional({
    example: 'AQAGRC3b1mxAAZN9Tl8AcAC2Kxk2q9Yw8ZbX4dQK',
    description: 'The `nextCursor` of the page before, as it was. Opaque.',
  })
  @IsOptional()
  @IsString({ message: 'cursor must be a single string' })
  cursor?: string;
}
