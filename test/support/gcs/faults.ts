/** How a request goes wrong. */
export type FaultEffect =
  /** It is answered with this status, and not carried out. */
  | { readonly kind: 'status'; readonly status: number }
  /** Its connection is cut before anything happens. */
  | { readonly kind: 'reset' }
  /** It is carried out, but its connection is cut instead of the answer. */
  | { readonly kind: 'answer-lost' }
  /** It is never answered. */
  | { readonly kind: 'stall' }
  /** Half of the body of the answer comes, and then nothing. */
  | { readonly kind: 'body-stall' }
  /** Half of the body of the answer comes, then the connection is cut. */
  | { readonly kind: 'body-cut' }
  /** The body of the answer comes in ten pieces with pauses between them. */
  | { readonly kind: 'slow-body'; readonly pauseMs: number }
  /** Somebody on the way has taken out what Google says of the object: `x-goog-*`. */
  | { readonly kind: 'headers-stripped' }
  /** The body of the answer has one wrong bit. */
  | { readonly kind: 'body-corrupt' };

export interface FaultTarget {
  readonly method: string;
  /** Encoded as it was sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
}

interface Planned {
  readonly effect: FaultEffect;
  readonly matches: (target: FaultTarget) => boolean;
  left: number;
}

/** What is going to go wrong, decided by tests. */
export class Faults {
  private planned: Planned[] = [];

  /** Spoils the next `count` requests that match. */
  next(count: number, effect: FaultEffect, matches: (target: FaultTarget) => boolean = () => true): void {
    this.planned.push({ effect, matches, left: count });
  }

  /** Spoils every request from now on. */
  always(effect: FaultEffect, matches: (target: FaultTarget) => boolean = () => true): void {
    this.next(Infinity, effect, matches);
  }

  clear(): void {
    this.planned = [];
  }

  take(target: FaultTarget): FaultEffect | null {
    const due = this.planned.find(({ left, matches }) => left > 0 && matches(target));
    if (due === undefined) {
      return null;
    }
    due.left -= 1;
    return due.effect;
  }
}
