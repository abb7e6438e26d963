import { applyDecorators } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { PROBLEMS, type ProblemCode } from './problem.js';

export class FieldErrorDto {
  @ApiProperty({
    example: 'fileSize',
    description:
      'The field, parameter or part that is wrong; or `body`, `path`, `host` or `request` when it is all of that.',
  })
  field!: string;

  @ApiProperty({
    example: 'fileSize must be a whole number of bytes, at least 1',
    description: 'What is wrong with it.',
  })
  message!: string;
}

/** RFC 9457 problem details, with our stable `code`. */
export class ProblemDto {
  @ApiProperty({
    example: 'urn:mediadock:problem:not_found',
    description: 'Names the kind of problem; follows the code.',
  })
  type!: string;

  @ApiProperty({
    example: 'Not found',
    description: 'The kind of problem in words; the same for every occurrence.',
  })
  title!: string;

  @ApiProperty({ type: 'integer', example: 404, description: 'The HTTP status, repeated.' })
  status!: number;

  @ApiProperty({
    example: 'There is no such media file',
    description: 'This occurrence in words, for people.',
  })
  detail!: string;

  @ApiProperty({
    example: '/v1/media/01937d4e-0000-7000-8000-000000000000',
    description: 'The path that was asked for.',
  })
  instance!: string;

  @ApiProperty({
    enum: Object.keys(PROBLEMS),
    example: 'not_found',
    description: 'Stable; the member to program against.',
  })
  code!: ProblemCode;

  @ApiPropertyOptional({ type: [FieldErrorDto], description: 'With `validation_failed`: every mistake.' })
  errors?: FieldErrorDto[];

  @ApiPropertyOptional({
    example: 'ready',
    description: 'With `invalid_status`: the status that the file has.',
  })
  currentStatus?: string;
}

/** Documents the problems that an operation can answer: one response a status, one example a code. */
export function ApiProblems(...codes: ProblemCode[]): MethodDecorator & ClassDecorator {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return applyDecorators(
    ApiExtraModels(ProblemDto),
    ...[...byStatus].map(([status, ofStatus]) =>
      ApiResponse({
        status,
        description: ofStatus.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: { $ref: getSchemaPath(ProblemDto) },
            examples: Object.fromEntries(ofStatus.map((code) => [code, { value: exampleOf(code) }])),
          },
        },
        ...(ofStatus.some((code) => SAY_WHEN.has(code)) ? { headers: { 'Retry-After': RETRY_AFTER } } : {}),
      }),
    ),
  );
}

/** The same for an operation that needs a bearer token: what can befall every one of those is documented by itself. */
export function ApiUserProblems(...codes: ProblemCode[]): MethodDecorator & ClassDecorator {
  return ApiProblems('unauthenticated', ...codes, 'rate_limited', 'internal');
}

/** The problems that pass by themselves, and say when to come back. */
const SAY_WHEN: ReadonlySet<ProblemCode> = new Set(['rate_limited', 'idempotency_in_flight']);

const RETRY_AFTER = { description: 'Seconds to wait.', schema: { type: 'integer' as const }, example: 12 };

function exampleOf(code: ProblemCode): Partial<ProblemDto> {
  return {
    type: `urn:mediadock:problem:${code}`,
    title: PROBLEMS[code].title,
    status: PROBLEMS[code].status,
    detail: PROBLEMS[code].title,
    instance: '/v1/media',
    code,
    ...(code === 'validation_failed'
      ? { errors: [{ field: 'fileSize', message: 'fileSize must be at least 1' }] }
      : {}),
    ...(code === 'invalid_status' ? { currentStatus: 'ready' } : {}),
  };
}
