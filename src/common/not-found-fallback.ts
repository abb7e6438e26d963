import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Request, Response } from 'express';
import { ProblemError } from './problem.js';
import { sendProblem } from './problem.filter.js';

/** Nest answers unknown addresses below the prefix only; this stands behind all routes, and answers the others. */
@Injectable()
export class NotFoundFallback implements OnApplicationBootstrap {
  constructor(private readonly host: HttpAdapterHost) {}

  onApplicationBootstrap(): void {
    this.host.httpAdapter?.use((request: Request, response: Response) =>
      sendProblem(request, response, new ProblemError('not_found', 'There is nothing at this address')),
    );
  }
}
