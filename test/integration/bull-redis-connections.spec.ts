import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/api-client.js';
import { LogBook } from '../support/log-book.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { RedisConnections, RedisUnavailableError } from '../../src/queue/bull/redis-connections.js';
import { NoAnswerError } from '../../src/common/within.js';

const QUICK = { answer: 500, silence: 1_000 };

describe(RedisConnections.name, () => {
  const log = new LogBook();
  let redis: TestRedis;
  let proxy: TcpProxy;
  let connections: RedisConnections;

  beforeAll(async () => {
    Logger.overrideLogger(log);
    redis = await startRedis({ own: true });
  }, 240_000);
  beforeEach(async () => {
    log.clear();
    proxy = await TcpProxy.start(redis.port);
    connections = new RedisConnections(`redis://127.0.0.1:${proxy.port}`, 'test', QUICK);
  });
  afterEach(async () => {
    connections.finish();
    await proxy.close();
  });
  afterAll(async () => redis.close());

  const ping = () => connections.ask((main) => main.ping());

  it('connects when it is first asked, and hands out one connection for commands', async () => {
    expect(proxy.accepted).toBe(0);
    await expect(ping()).resolves.toBe('PONG');
    expect(connections.create('client')).toBe(connections.main);
    expect(proxy.accepted).toBe(1);
  });

  it('opens a connection anew on which nothing is said any more', async () => {
    await ping();
    proxy.swallow();
    await expect(ping()).rejects.toThrow(NoAnswerError);
    await expect(ping()).rejects.toThrow(RedisUnavailableError);
    await until(() => ping().catch(() => null), 'a new connection');
    expect(log.lines('Redis does not answer', 'error')).toHaveLength(1);
    expect(log.lines('Redis answers again')).toHaveLength(1);
  });

  it('comes back to a Redis that was slow, and then too busy for the question whether it is there', async () => {
    const killer = new Redis(redis.port, { enableReadyCheck: false });
    const script = killer.duplicate();
    await killer.config('SET', 'lua-time-limit', String(1.5 * QUICK.answer));
    await ping();
    const endless = script.eval('while true do end', 0).catch((error: Error) => error.message);
    await expect(ping()).rejects.toThrow(NoAnswerError);
    const refusal = await until(
      async () =>
        killer.ping().then(
          () => null,
          (error: Error) => error.message,
        ),
      'Redis to be too busy',
    );
    expect(refusal).toMatch(/^BUSY/);
    await killer.script('KILL');
    expect(await endless).toMatch(/kill/i);
    expect(await until(() => ping().catch(() => null), 'an answer')).toBe('PONG');
    expect(log.lines('Redis answers again')).toHaveLength(1);
    await Promise.all([script.quit(), killer.quit()]);
  });

  it('passes on what Redis refuses, without taking it for an outage', async () => {
    await expect(connections.ask((main) => main.call('NO-SUCH-COMMAND'))).rejects.toThrow('unknown command');
    await expect(ping()).resolves.toBe('PONG');
    expect(log.lines('', 'error')).toEqual([]);
  });

  it('does not come back once it has ended', async () => {
    await ping();
    connections.create('bclient');
    await until(async () => proxy.accepted === 2 || null, 'the second connection');
    connections.finish();
    await expect(ping()).rejects.toThrow(RedisUnavailableError);
    await connections.main.connect();
    expect(connections.main.status).not.toBe('connecting');
    expect(log.lines()).toEqual([]);
  });
});
