/**
 * The expiry of a private read URL made now, in seconds since 1970. It moves in steps of half the time to live, so that
 * the same URL comes back for a while and a browser finds it in its cache; what is left is always more
 * than half the time to live, and never more than all of it.
 */
export function readExpiry(nowMs: number, ttlSeconds: number): number {
  const step = readExpiryStep(ttlSeconds);
  return (Math.floor(nowMs / 1000 / step) + 2) * step;
}

/** How far the expiry moves at once, in seconds. A URL that is made now was first made at most this long ago. */
export function readExpiryStep(ttlSeconds: number): number {
  return Math.max(1, Math.floor(ttlSeconds / 2));
}
