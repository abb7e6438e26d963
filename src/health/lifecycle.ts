import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** Knows whether the process is on its way out, so that a load balancer stops sending before the door closes. */
@Injectable()
export class Lifecycle implements OnModuleDestroy {
  private stopping = false;

  onModuleDestroy(): void {
    this.stopping = true;
  }

  assertServing(): void {
    if (this.stopping) {
      throw new Error('The process is shutting down');
    }
  }
}
