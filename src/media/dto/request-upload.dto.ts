import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';

export class RequestUploadDto {
  @ApiProperty({
    minLength: 1,
    maxLength: 20_000,
    example: 'IMG_0042.jpg',
    description:
      'What the user calls the file. Kept in lower case, with unsafe characters replaced, for display and downloads only.',
  })
  @Length(1, 20_000, { message: 'fileName must have 1 to 20000 characters' })
  @IsString({ message: 'fileName must be a string' })
  fileName!: string;

  @ApiProperty({
    maxLength: 255,
    example: 'image/jpeg',
    description:
      'One of `image/jpeg`, `image/png`, `image/gif`, `image/webp`. The bytes are checked against it.',
  })
  @MaxLength(255, { message: 'mimeType must have at most 255 characters' })
  @IsString({ message: 'mimeType must be a string' })
  mimeType!: string;

  @ApiProperty({
    type: 'integer',
    format: 'int64',
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    example: 2411724,
    description: 'Exact size in bytes: the signed URL takes neither more nor less.',
  })
  @IsInt({ message: 'fileSize must be a whole number of bytes' })
  @Min(1, { message: 'fileSize must be at least 1' })
  @Max(Number.MAX_SAFE_INTEGER, { message: 'fileSize must be a whole number of bytes' })
  fileSize!: number;

  @ApiPropertyOptional({
    type: 'string',
    nullable: true,
    pattern: '^[0-9a-fA-F]{64}$',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    description:
      'Sha-256 of the bytes in hex. With it, bytes that this user has already stored need no second upload.',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @Matches(/^[0-9a-f]{64}$/, { message: 'contentHash must be a sha-256 in hex (64 characters)' })
  contentHash?: string;
}

/** What a request asks for, however it was written down: no hash is the same as a hash of null. */
export function contentOf({ fileName, mimeType, fileSize, contentHash }: RequestUploadDto): object {
  return { fileName, mimeType, fileSize, contentHash: contentHash ?? null };
}
