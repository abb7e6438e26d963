import { KeyObject } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { RemoteJWKSet } from 'jose';
import type { JwtHeader } from 'jsonwebtoken';
import { ProblemError } from '../common/problem.js';

/** In milliseconds. */
interface Timing {
  /** How long the provider may take to answer. */
  readonly patience: number;
  /** A set that is older is read again, and serves meanwhile; at twice this age, not before it has been read. */
  readonly refreshAfter: number;
  /** For how long a set serves at most while the provider cannot be read. */
  readonly goodFor: number;
  /** After the set was read, the least time before a token of an unknown key is a reason to read it again. */
  readonly pause: number;
  /** After it could not be read, the least time before the next try for anybody. */
  readonly pauseAfterFailure: number;
}

const TIMING: Timing = {
  patience: 5_000,
  refreshAfter: 10 * 60_000,
  goodFor: 24 * 60 * 60_000,
  pause: 5_000,
  pauseAfterFailure: 1_000,
};

interface OpenKeySet {
  readonly remote: RemoteJWKSet;
  /** Tells that the set has been read, and has no such key or more than one. */
  readonly isAbsence: (error: unknown) => boolean;
}

/**
 * The provider cannot be read now, so it is not known whether there is such a key. That is not the client's fault, as a token of
 * an unknown key is, and must not sign users out.
 */
export class KeySetUnreadableError extends ProblemError {
  override readonly name = 'KeySetUnreadableError';

  constructor(cause: unknown) {
    super('internal', 'The keys that verify tokens cannot be read now', {}, { cause });
  }
}

/**
 * The public keys of an identity provider (RFC 7517), read when one is first asked for.
 *
 * A key that was read is good until the provider is read without it. So neither a provider that is away for a while keeps
 * users out, nor do others who send tokens of made-up keys, each of which could be a new one and be worth a look: they wait
 * for the next look that is allowed, and nobody else does.
 */
export class RemoteKeySet {
  private readonly logger = new Logger(RemoteKeySet.name);
  /** jsonwebtoken takes no keys of Web Crypto. */
  private readonly keyObjects = new WeakMap<object, KeyObject>();
  private opened: Promise<OpenKeySet> | null = null;
  private readAt = -Infinity;
  private askAgainAt = -Infinity;
  private isFailing = false;

  constructor(
    private readonly url: string,
    private readonly timing = TIMING,
  ) {}

  /**
   * @returns null when the provider has no such key
   * @throws KeySetUnreadableError
   */
  async keyFor({ alg, kid }: JwtHeader): Promise<KeyObject | null> {
    const { remote, isAbsence } = await (this.opened ??= this.open());
    await this.renew(remote);
    try {
      return this.toKeyObject(await remote({ alg, ...(kid === undefined ? {} : { kid }) }));
    } catch (error) {
      if (isAbsence(error)) {
        return null;
      }
      throw new KeySetUnreadableError(error);
    }
  }

  private async open(): Promise<OpenKeySet> {
    // Loaded when there is a use for it: most installations have a key of their own.
    const { createRemoteJWKSet, customFetch, errors } = await import('jose');
    const remote = createRemoteJWKSet(new URL(this.url), {
      timeoutDuration: this.timing.patience,
      cooldownDuration: this.timing.pause,
      // What becomes of an old set is decided here.
      cacheMaxAge: Infinity,
      [customFetch]: (url: string, options: RequestInit) => this.fetch(url, options),
    });
    const absences = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported];
    return { remote, isAbsence: (error) => absences.some((absence) => error instanceof absence) };
  }

  private async fetch(url: string, options: RequestInit): Promise<Response> {
    const now = performance.now();
    if (now < this.askAgainAt) {
      throw new Error('The provider could not be read a moment ago');
    }
    this.askAgainAt = now + this.timing.pauseAfterFailure;
    return fetch(url, options);
  }

  /** @throws KeySetUnreadableError when there is no set, or none that is good any more */
  private async renew(remote: RemoteJWKSet): Promise<void> {
    const age = performance.now() - this.readAt;
    if (age <= this.timing.refreshAfter) {
      return;
    }
    const reading = this.read(remote);
    const isOutdated = age > this.timing.goodFor;
    // In an outage that is known, nobody waits for an answer that is hardly going to come.
    if (isOutdated || (age > 2 * this.timing.refreshAfter && !this.isFailing)) {
      const failure = await reading;
      if (isOutdated && failure !== null) {
        throw new KeySetUnreadableError(failure);
      }
    }
  }

  /** @returns why it failed, or null */
  private async read(remote: RemoteJWKSet): Promise<unknown> {
    try {
      await remote.reload();
      this.readAt = performance.now();
      this.isFailing = false;
      return null;
    } catch (error) {
      if (!this.isFailing) {
        this.isFailing = true;
        this.logger.warn(
          { err: error },
          'The keys that verify tokens cannot be read now: those known stay good',
        );
      }
      return error;
    }
  }

  private toKeyObject(key: Awaited<ReturnType<RemoteJWKSet>>): KeyObject {
    const known = this.keyObjects.get(key);
    if (known !== undefined) {
      return known;
    }
    const keyObject = KeyObject.from(key);
    this.keyObjects.set(key, keyObject);
    return keyObject;
  }
}
