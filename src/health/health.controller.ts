import { Controller, Get, Res, ServiceUnavailableException } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { SkipThrottle } from '@nestjs/throttler';
import type { Response } from 'express';
import { sql } from 'kysely';
import { Public } from '../common/public.decorator.js';
import { within } from '../common/within.js';
import { Database } from '../database/database.js';
import { JobQueue } from '../queue/job-queue.js';
import { ObjectStorage } from '../storage/object-storage.js';
import { HealthDto } from './dto/health.dto.js';
import { Lifecycle } from './lifecycle.js';

const PROBE_TIMEOUT_MS = 3_000;

@ApiTags('operations')
@Public()
@SkipThrottle()
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly lifecycle: Lifecycle,
    private readonly database: Database,
    private readonly storage: ObjectStorage,
    private readonly queue: JobQueue,
  ) {}

  @Get('live')
  @ApiOperation({
    summary: 'Is the process alive?',
    description: 'Asks nobody else. Restart the process when this fails.',
  })
  @ApiOkResponse({ type: HealthDto, description: 'It is.' })
  live(): HealthDto {
    return { status: 'ok', info: {}, error: {}, details: {} };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'Can this process serve requests?',
    description:
      'Asks the database, the storage and the queue. A queue that is down is `degraded`: requests still succeed, and the work happens later.',
  })
  @ApiOkResponse({ type: HealthDto, description: 'It can.' })
  @ApiServiceUnavailableResponse({
    type: HealthDto,
    description: 'It cannot now: `error` names the parts that are down.',
  })
  async ready(@Res({ passthrough: true }) response: Response): Promise<HealthDto> {
    try {
      const result = await this.health.check([
        () => this.probe('process', async () => this.lifecycle.assertServing()),
        () => this.probe('database', () => this.database.rows(sql`select 1`)),
        () => this.probe('storage', () => this.storage.check()),
        () => this.probeQueue(),
      ]);
      return toDto(result);
    } catch (error) {
      if (error instanceof ServiceUnavailableException) {
        response.status(503);
        return toDto(error.getResponse());
      }
      throw error;
    }
  }

  private async probe(part: string, check: () => Promise<unknown>): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check(part);
    try {
      await within(PROBE_TIMEOUT_MS, check());
      return indicator.up();
    } catch {
      // Why it is down stands in the log; whoever can reach this page need not know.
      return indicator.down();
    }
  }

  private async probeQueue(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('queue');
    try {
      await within(PROBE_TIMEOUT_MS, this.queue.check());
      return indicator.up();
    } catch {
      return indicator.up({ degraded: true });
    }
  }
}

/** The framework types what it throws as anything; only its four members are shown. */
function toDto(result: unknown): HealthDto {
  const { status, info, error, details } = Object.assign(
    { status: 'error', info: {}, error: {}, details: {} },
    result,
  );
  return { status, info, error, details };
}
