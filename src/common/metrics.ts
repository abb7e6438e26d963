import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const REQUEST_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const JOB_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60];

/** Every figure that Mediadock counts, in one registry of its own, so that two applications in a process do not mix. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly requests = new Histogram({
    name: 'mediadock_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the last of its answer, by route template.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: REQUEST_SECONDS,
    registers: [this.registry],
  });

  readonly waitingRequests = new Gauge({
    name: 'mediadock_waiting_requests',
    help: 'Requests that wait for a file to settle.',
    registers: [this.registry],
  });

  readonly jobs = new Histogram({
    name: 'mediadock_job_duration_seconds',
    help: 'Time of one attempt at a job, by type and outcome (done, skipped, failed, retried).',
    labelNames: ['job', 'outcome'] as const,
    buckets: JOB_SECONDS,
    registers: [this.registry],
  });

  readonly queueDepth = new Gauge({
    name: 'mediadock_queue_jobs',
    help: 'Jobs in the queue by state (waiting, active, delayed).',
    labelNames: ['state'] as const,
    registers: [this.registry],
  });

  readonly enqueueFailures = new Counter({
    name: 'mediadock_enqueue_failures_total',
    help: 'Jobs that the queue did not take; the sweeper drives them later.',
    labelNames: ['job'] as const,
    registers: [this.registry],
  });

  readonly stalledJobs = new Counter({
    name: 'mediadock_stalled_jobs_total',
    help: 'Jobs whose worker went away in the middle, and which another one took over.',
    registers: [this.registry],
  });

  readonly sweeps = new Counter({
    name: 'mediadock_sweeps_total',
    help: 'Passes of the sweeper by outcome (done, failed, elsewhere: another process sweeps).',
    labelNames: ['outcome'] as const,
    registers: [this.registry],
  });

  readonly sweptFiles = new Counter({
    name: 'mediadock_swept_files_total',
    help: 'Rows that the sweeper acted on, by what it did (expired, driven, leftovers, abandoned, forgotten).',
    labelNames: ['action'] as const,
    registers: [this.registry],
  });

  readonly quotaRefusals = new Counter({
    name: 'mediadock_quota_refusals_total',
    help: 'Uploads refused because they did not fit into the quota.',
    registers: [this.registry],
  });

  readonly storageCalls = new Histogram({
    name: 'mediadock_storage_call_duration_seconds',
    help: 'Time of calls to object storage, by verb and outcome (ok, missing, unavailable, error).',
    labelNames: ['verb', 'outcome'] as const,
    buckets: REQUEST_SECONDS,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    // A counter that has never moved is absent from a scrape, and nobody can alert on what is absent.
    this.quotaRefusals.inc(0);
    this.stalledJobs.inc(0);
    this.sweeps.inc({ outcome: 'done' }, 0);
    this.sweeps.inc({ outcome: 'failed' }, 0);
  }
}
