import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { NotFoundFallback } from './not-found-fallback.js';

@Global()
@Module({ providers: [Metrics, NotFoundFallback], exports: [Metrics] })
export class CommonModule {}
