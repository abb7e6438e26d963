import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { ClientRequest } from 'node:http';

/** A call was given up because its time was over. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';

  constructor(milliseconds: number) {
    super(`No answer within ${milliseconds} ms`);
  }
}

/** The HTTP requests that one call has made, however deep inside a library. */
export class OutgoingRequests {
  private readonly requests = new Set<ClientRequest>();

  add(request: ClientRequest): void {
    this.requests.add(request);
  }

  /** Cuts the connections of those that are still under way; the others are not touched. */
  destroy(reason?: Error): void {
    for (const request of this.requests) {
      request.destroy(reason);
    }
    this.requests.clear();
  }
}

const current = new AsyncLocalStorage<OutgoingRequests>();

// The client of Cloud Storage can neither time out nor abort a request: one that is never answered would keep its
// promise and its socket for ever. Node announces each request in the async context of the call that makes it.
subscribe('http.client.request.created', (message) => {
  if (typeof message === 'object' && message !== null && 'request' in message) {
    const { request } = message;
    if (request instanceof ClientRequest) {
      current.getStore()?.add(request);
    }
  }
});

/**
 * Runs a call that may not take longer. When its time is over or it fails, its connections are cut; when it succeeds,
 * what it opened is the caller's to close, by the `requests` that the call was given.
 *
 * @throws DeadlineError; whatever the call throws
 */
export async function withDeadline<Result>(
  milliseconds: number,
  call: (requests: OutgoingRequests) => Promise<Result>,
): Promise<Result> {
  const requests = new OutgoingRequests();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new DeadlineError(milliseconds)), milliseconds);
  try {
    return await Promise.race([current.run(requests, () => call(requests)), late]);
  } catch (error) {
    requests.destroy(error instanceof Error ? error : undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
