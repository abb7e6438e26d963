import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min, ValidateIf } from 'class-validator';

/** Those of load balancers often end at 60 seconds. */
const MAX_TIMEOUT_SECONDS = 60;
export const DEFAULT_TIMEOUT_SECONDS = 30;
const TIMEOUT_RULE = `timeoutSeconds must be a whole number from 1 to ${MAX_TIMEOUT_SECONDS}`;

export class LookAtMediaDto {
  @ApiPropertyOptional({
    enum: ['ready'],
    example: 'ready',
    description:
      'Wait with the answer until the file is `ready`, or is not going to be: `failed`, or deleted. Without it, the answer comes at once.',
  })
  @ValidateIf(({ waitFor, timeoutSeconds }: LookAtMediaDto) => (waitFor ?? timeoutSeconds) !== undefined)
  @IsIn(['ready'], { message: 'waitFor must be: ready; timeoutSeconds says nothing without it' })
  waitFor?: 'ready';

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_TIMEOUT_SECONDS,
    default: DEFAULT_TIMEOUT_SECONDS,
    example: DEFAULT_TIMEOUT_SECONDS,
    description: 'The longest that `waitFor` may wait; only together with it.',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value,
  )
  @IsInt({ message: TIMEOUT_RULE })
  @Min(1, { message: TIMEOUT_RULE })
  @Max(MAX_TIMEOUT_SECONDS, { message: TIMEOUT_RULE })
  timeoutSeconds?: number;
}
