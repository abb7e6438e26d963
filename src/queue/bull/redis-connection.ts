import { isIP } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';

/** How Bull names its connections: for commands, for events, and for the command that blocks until a job comes. */
export type ConnectionKind = 'client' | 'subscriber' | 'bclient';

const RECONNECT_STEP_MS = 200;
const RECONNECT_MAX_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A peer that is gone without a word is noticed this long after the last byte, plus ten probes a second apart. */
const KEEP_ALIVE_MS = 10_000;

/**
 * A connection to Redis that comes back by itself for as long as it is wanted, and never after. Bull adds its scripts as
 * methods (`isFinished`, `pause`, …), so names here must not be any of theirs.
 */
export class RedisConnection extends Redis {
  private retired = false;

  constructor(
    url: string,
    readonly kind: ConnectionKind,
    connectionName: string,
  ) {
    super(url, optionsFor(url, kind, connectionName));
  }

  /** True once nobody wants it any more. */
  get isRetired(): boolean {
    return this.retired;
  }

  /** Bull opens the blocking connection anew after cutting it, also when it is about to close for good. */
  override connect(callback?: Parameters<Redis['connect']>[0]): Promise<void> {
    return this.retired ? Promise.resolve() : super.connect(callback);
  }

  /** Closes the connection for good, at once. */
  retire(): void {
    this.retired = true;
    this.disconnect();
  }
}

function optionsFor(url: string, kind: ConnectionKind, connectionName: string): RedisOptions {
  return {
    connectionName,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    retryStrategy: (times) => Math.min(times * RECONNECT_STEP_MS, RECONNECT_MAX_MS),
    // What a worker has to say in an outage (a job is done, a lock goes on) it has to say when Redis is back. Whoever
    // must not wait for that asks through `RedisConnections`.
    maxRetriesPerRequest: null,
    // Keeps a server that still loads its data, or refuses the password, from passing for one that is there. Bull
    // forbids it on the other two, which are only opened when the first one is ready.
    enableReadyCheck: kind === 'client',
    // The library leaves a refusal of its own attempt without a handler, which would end the process.
    autoResubscribe: false,
    ...tlsOptions(url),
  };
}

/** Servers that share an address are told apart by the name in the TLS greeting, which is not sent by default. */
function tlsOptions(url: string): RedisOptions {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'rediss:') {
    return {};
  }
  const host = hostname.replace(/^\[|\]$/g, '');
  return { tls: isIP(host) === 0 ? { servername: host } : {} };
}
