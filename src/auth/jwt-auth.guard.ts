import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import passport from 'passport';
import { setPrincipal } from '../common/principal.js';
import { ProblemError } from '../common/problem.js';
import { IS_PUBLIC } from '../common/public.decorator.js';
import { isUsableSubject } from '../users/subject.js';
import { UsersService } from '../users/users.service.js';
import { JwtStrategy } from './jwt.strategy.js';

interface Claims {
  readonly sub?: unknown;
}

/** Closes every route to requests without a valid bearer token, unless the route says `@Public()`. */
@Injectable()
export class JwtAuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly strategy: JwtStrategy,
    private readonly users: UsersService,
  ) {}

  /** @throws ProblemError `unauthenticated` */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, targets) === true) {
      return true;
    }
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const { sub } = await this.verify(request, http.getResponse<Response>());
    if (!isUsableSubject(sub)) {
      throw new ProblemError('unauthenticated', 'The token has no usable subject');
    }
    setPrincipal(request, { subject: sub, userId: await this.users.resolve(sub) });
    return true;
  }

  /**
   * Hands passport the strategy itself instead of a name: names live in one table for the whole process, where a
   * second application would replace the first one's key.
   */
  private verify(request: Request, response: Response): Promise<Claims> {
    return new Promise((resolve, reject) => {
      const settle = (error: unknown, claims: Claims | false | null | undefined, info: unknown): void => {
        if (error) {
          reject(toError(error));
        } else if (claims) {
          resolve(claims);
        } else {
          reject(info instanceof ProblemError ? info : new ProblemError('unauthenticated', reasonOf(info)));
        }
      };
      passport.authenticate(this.strategy, { session: false }, settle)(request, response, reject);
    });
  }
}

const REASONS: Record<string, string> = {
  'No auth token': 'Send a token in the header "Authorization: Bearer <token>"',
  'jwt expired': 'The token has expired',
  'jwt not active': 'The token is not valid yet',
};

/** Tells an honest client what to mend; what is wrong with a forged token is nobody's business. */
function reasonOf(info: unknown): string {
  const message = info instanceof Error ? info.message : '';
  return REASONS[message] ?? 'The token is not valid here';
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error('Verifying a token failed', { cause: error });
}
