import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ProblemError } from './problem.js';

/** Who a request comes from, as the bearer token and the profiles say. */
export interface Principal {
  /** The token's `sub`. */
  readonly subject: string;
  /** The profile's id; null when this subject has none (only with `USER_PROVISIONING=manual`). */
  readonly userId: string | null;
}

/** Beside the requests, not on them: nothing that parses a request can then make itself a principal. */
const principals = new WeakMap<object, Principal>();

export function setPrincipal(request: object, principal: Principal): void {
  principals.set(request, principal);
}

/** Null before the authentication, and on public routes. */
export function principalOf(request: object): Principal | null {
  return principals.get(request) ?? null;
}

/** The id of the user's profile, or null when there is none. */
export const CurrentUserIfKnown = createParamDecorator(
  (_data: unknown, context: ExecutionContext): string | null => {
    const principal = principalOf(context.switchToHttp().getRequest<object>());
    return principal?.userId ?? null;
  },
);

/**
 * The id of the user's profile.
 *
 * @throws ProblemError `user_not_found` when there is none
 */
export const CurrentUser = createParamDecorator((_data: unknown, context: ExecutionContext): string => {
  const principal = principalOf(context.switchToHttp().getRequest<object>());
  if (!principal?.userId) {
    throw new ProblemError('user_not_found', 'There is no profile for the subject of this token');
  }
  return principal.userId;
});
