import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerLimitDetail, type ThrottlerRequest } from '@nestjs/throttler';
import type { Request } from 'express';
import { ProblemError } from '../common/problem.js';
import { principalOf } from '../common/principal.js';
import { REQUEST_COST, type RequestCost } from '../common/request-cost.decorator.js';

/** `RATE_LIMIT_PER_MINUTE` for each user over all routes; runs after the authentication, so it knows who asks. */
@Injectable()
export class UserThrottlerGuard extends ThrottlerGuard {
  protected override async handleRequest(request: ThrottlerRequest): Promise<boolean> {
    await this.payInAdvance(request, this.costOf(request) - 1);
    return super.handleRequest(request);
  }

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

  /** Never more than the whole budget of a minute, or it could never be paid. */
  private costOf({ context, limit }: ThrottlerRequest): number {
    const cost = this.reflector.get<RequestCost | undefined>(REQUEST_COST, context.getHandler());
    const { body } = context.switchToHttp().getRequest<Request>();
    return cost === undefined ? 1 : Math.min(cost(body), limit);
  }

  /**
   * Counts the further requests that this one stands for: all of them, or none if they are more than what is left. A
   * refusal costs nothing, or who comes back when told to could find that it was too early again.
   */
  private async payInAdvance(request: ThrottlerRequest, further: number): Promise<void> {
    if (further < 1) {
      return;
    }
    const { context, limit, ttl, throttler, getTracker, generateKey } = request;
    const name = throttler.name ?? 'default';
    const tracker = await getTracker(this.getRequestResponse(context).req, context);
    const key = generateKey(context, tracker, name);
    // Without a block duration, the storage refuses without counting, and without closing the door to others.
    const pay = (upTo: number) => this.storageService.increment(key, ttl, upTo, 0, name);
    const { isBlocked } = await pay(limit - further);
    if (isBlocked) {
      throw new ProblemError(
        'rate_limited',
        `This counts as ${further + 1} requests, more than are left of ${limit} within a minute`,
        { retryAfterSeconds: Math.ceil(ttl / 1000) },
      );
    }
    await Promise.all(Array.from({ length: further - 1 }, () => pay(limit)));
  }
}
