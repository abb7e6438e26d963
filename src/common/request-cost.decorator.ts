import { SetMetadata } from '@nestjs/common';

export const REQUEST_COST = 'mediadock:request-cost';

/** How many requests one counts as, by its body as it came: nothing has looked at it yet. */
export type RequestCost = (body: unknown) => number;

/** Makes one request count as several under the rate limit. */
export const CostsAsMany = (cost: RequestCost) => SetMetadata(REQUEST_COST, cost);
