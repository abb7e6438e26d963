import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';

const MAX_SIDE = 1_000_000;

/**
 * Clients of the first version send what they believe the size of the picture to be. It is checked for form and
 * then dropped: width and height are measured.
 */
export class ConfirmUploadDto {
  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MAX_SIDE,
    example: 4000,
    description: 'Accepted, not used: the width is measured.',
  })
  @IsOptional()
  @Max(MAX_SIDE, { message: `width must be at most ${MAX_SIDE}` })
  @Min(1, { message: 'width must be at least 1' })
  @IsInt({ message: 'width must be a whole number of pixels' })
  width?: number;

  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MAX_SIDE,
    example: 3000,
    description: 'Accepted, not used: the height is measured.',
  })
  @IsOptional()
  @Max(MAX_SIDE, { message: `height must be at most ${MAX_SIDE}` })
  @Min(1, { message: 'height must be at least 1' })
  @IsInt({ message: 'height must be a whole number of pixels' })
  height?: number;
}
