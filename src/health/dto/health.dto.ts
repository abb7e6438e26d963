import { ApiProperty } from '@nestjs/swagger';

const PARTS = {
  type: 'object' as const,
  additionalProperties: {
    type: 'object' as const,
    properties: {
      status: {
        type: 'string' as const,
        enum: ['up', 'down'],
        example: 'up',
        description: 'Does it answer?',
      },
      degraded: { type: 'boolean' as const, example: true, description: 'Down, but nothing fails for it.' },
    },
  },
};

export class HealthDto {
  @ApiProperty({
    enum: ['ok', 'error', 'shutting_down'],
    example: 'ok',
    description: 'The whole, in a word.',
  })
  status!: string;

  @ApiProperty({ ...PARTS, example: { database: { status: 'up' } }, description: 'The parts that are up.' })
  info!: Record<string, { status: string }>;

  @ApiProperty({ ...PARTS, example: {}, description: 'The parts that are down.' })
  error!: Record<string, { status: string }>;

  @ApiProperty({ ...PARTS, example: { database: { status: 'up' } }, description: 'All parts.' })
  details!: Record<string, { status: string }>;
}
