import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { SkipThrottle } from '@nestjs/throttler';
import { Metrics } from '../common/metrics.js';
import { Public } from '../common/public.decorator.js';
import { JobQueue } from '../queue/job-queue.js';

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

@ApiTags('operations')
@Public()
@SkipThrottle()
@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly metrics: Metrics,
    private readonly queue: JobQueue,
  ) {}

  @Get()
  @Header('Content-Type', PROMETHEUS_TEXT)
  @ApiOperation({
    summary: 'Figures for Prometheus',
    description:
      'Requests, jobs, queue, sweeps, quota refusals and storage calls, with the process’s own. Names no user and no file.',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({
    description: 'Prometheus text format.',
    schema: { type: 'string', example: 'mediadock_quota_refusals_total 0' },
  })
  async scrape(): Promise<string> {
    await this.readQueueDepth();
    return this.metrics.registry.metrics();
  }

  /** Asked for when scraped; a queue that does not answer must not take the other figures with it. */
  private async readQueueDepth(): Promise<void> {
    try {
      for (const [state, count] of Object.entries(await this.queue.depth())) {
        this.metrics.queueDepth.set({ state }, count);
      }
    } catch {
      this.metrics.queueDepth.reset();
    }
  }
}
