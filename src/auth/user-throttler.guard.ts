import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerLimitDetail } from '@nestjs/throttler';
import type { Request } from 'express';
import { ProblemError } from '../common/problem.js';
import { principalOf } from '../common/principal.js';

/** `RATE_LIMIT_PER_MINUTE` for each user over all routes; runs after the authentication, so it knows who asks. */
@Injectable()
export class UserThrottlerGuard extends ThrottlerGuard {
  protected override async getTracker(request: Request): Promise<string> {
    const principal = principalOf(request);
    return principal ? `user:${principal.subject}` : `address:${request.ip ?? 'unknown'}`;
  }

  /** One budget a user, not one a route. */
  protected override generateKey(_context: ExecutionContext, tracker: string): string {
    return tracker;
  }

  protected override async throwThrottlingException(
    _context: ExecutionContext,
    detail: ThrottlerLimitDetail,
  ): Promise<void> {
    throw new ProblemError('rate_limited', `More than ${detail.limit} requests within a minute`, {
      retryAfterSeconds: Math.max(1, detail.timeToBlockExpire),
    });
  }
}
