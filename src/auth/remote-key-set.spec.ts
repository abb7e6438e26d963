import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/support/api-client.js';
import {
  ecKey,
  type KeyServer,
  rsaKey,
  type SigningKey,
  startKeyServer,
} from '../../test/support/openapi-jwt.js';
import { KeySetUnreadableError, RemoteKeySet } from './remote-key-set.js';

const TIMING = { patience: 2_000, refreshAfter: 300, goodFor: 60_000, pause: 100, pauseAfterFailure: 50 };
const NEVER = { ...TIMING, refreshAfter: 60_000, pause: 60_000, pauseAfterFailure: 60_000 };
const UNKNOWN = { alg: 'RS256', kid: 'unknown' };

describe(RemoteKeySet.name, () => {
  const [first, second] = [rsaKey('first'), rsaKey('second')];
  let provider: KeyServer;

  beforeEach(async () => {
    Logger.overrideLogger(false);
    provider = await startKeyServer(first);
  });
  afterEach(async () => provider.stop());

  it('has the keys that the provider has, and no others', async () => {
    const curve = ecKey('curve');
    provider.serve(first, curve);
    const keys = new RemoteKeySet(provider.url, NEVER);
    expect((await keys.keyFor(headerOf(first)))?.equals(first.publicKey)).toBe(true);
    expect((await keys.keyFor({ alg: 'ES256', kid: 'curve' }))?.equals(curve.publicKey)).toBe(true);
    expect(await keys.keyFor(UNKNOWN)).toBeNull();
    expect(await keys.keyFor({ alg: 'ES256', kid: 'first' })).toBeNull();
    expect(await keys.keyFor({ alg: 'HS256', kid: 'first' })).toBeNull();
    expect(await keys.keyFor({ alg: 'none' })).toBeNull();
  });

  it('finds the only key that fits a token which names none', async () => {
    const keys = new RemoteKeySet(provider.url, TIMING);
    expect((await keys.keyFor({ alg: 'RS256' }))?.equals(first.publicKey)).toBe(true);
    provider.serve(first, second);
    expect(await new RemoteKeySet(provider.url, TIMING).keyFor({ alg: 'RS256' })).toBeNull();
  });

  it('reads the set once, however many ask for it at once', async () => {
    const keys = new RemoteKeySet(provider.url, NEVER);
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.keyFor(headerOf(first))));
    expect(new Set(found).size).toBe(1);
    expect(provider.reads).toBe(1);
  });

  it('keeps nobody waiting, and asks hardly more often, while others send tokens of made-up keys', async () => {
    const keys = new RemoteKeySet(provider.url, NEVER);
    await Promise.all(
      Array.from({ length: 500 }, (_, index) => keys.keyFor({ alg: 'RS256', kid: `made up ${index}` })),
    );
    expect(await keys.keyFor(headerOf(first))).not.toBeNull();
    expect(provider.reads).toBe(1);
  });

  it('finds a new key as soon as it may look again, and drops one that has gone', async () => {
    const keys = new RemoteKeySet(provider.url, TIMING);
    await keys.keyFor(headerOf(first));
    provider.serve(second);
    expect(await until(() => keys.keyFor(headerOf(second)), 'the new key')).not.toBeNull();
    expect(await keys.keyFor(headerOf(first))).toBeNull();
  });

  it('reads an old set again without a reason, and nobody waits for it', async () => {
    const keys = new RemoteKeySet(provider.url, TIMING);
    await keys.keyFor(headerOf(first));
    provider.serve(second);
    await sleep(TIMING.refreshAfter);
    expect(await keys.keyFor(headerOf(first))).not.toBeNull();
    await until(
      async () => ((await keys.keyFor(headerOf(first))) === null ? true : null),
      'the old key to go',
    );
  });

  it('goes on with what it has while the provider is away, and says of any other key that it cannot tell', async () => {
    const keys = new RemoteKeySet(provider.url, TIMING);
    await keys.keyFor(headerOf(first));
    await provider.stop();
    await sleep(TIMING.refreshAfter);
    for (let round = 0; round < 3; round++) {
      expect(await keys.keyFor(headerOf(first))).not.toBeNull();
      await expect(keys.keyFor(UNKNOWN)).rejects.toThrow(KeySetUnreadableError);
      await sleep(TIMING.pauseAfterFailure);
    }
    await provider.start();
    provider.serve(first, second);
    await until(() => keys.keyFor(headerOf(second)).catch(() => null), 'the provider to be read again');
  });

  it('does not go on for ever with what it has', async () => {
    const keys = new RemoteKeySet(provider.url, { ...TIMING, goodFor: 400 });
    await keys.keyFor(headerOf(first));
    await provider.stop();
    await sleep(500);
    await expect(keys.keyFor(headerOf(first))).rejects.toThrow(KeySetUnreadableError);
    await provider.start();
    await until(() => keys.keyFor(headerOf(first)).catch(() => null), 'the provider to be read again');
  });

  it('does not hammer a provider that is in trouble', async () => {
    await provider.stop();
    const keys = new RemoteKeySet(provider.url, NEVER);
    const refused = await Promise.allSettled(Array.from({ length: 100 }, () => keys.keyFor(UNKNOWN)));
    await provider.start();
    await expect(keys.keyFor(headerOf(first))).rejects.toThrow(KeySetUnreadableError);
    expect(refused.every(({ status }) => status === 'rejected')).toBe(true);
    expect(provider.reads).toBe(0);
  });
});

function headerOf({ kid }: SigningKey): { alg: string; kid: string } {
  return { alg: 'RS256', kid };
}
