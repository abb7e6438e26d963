import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BullJobQueue } from '../../src/queue/bull/bull-job-queue.js';
import { until } from '../support/api-client.js';
import { newPrefix, openBullQueue, type OpenBullQueue } from '../support/bull-queue.js';
import { HeldHandler } from '../support/held-handler.js';
import { LogBook } from '../support/log-book.js';
import { startRedis, type TestRedis, type TestRedisOptions } from '../support/redis.js';

const run = promisify(execFile);
const PASSWORD = 'p@ss/word:100%';
const OUTAGE = 'Redis does not answer';
const EVICTION = 'Redis may evict jobs';

describe(`${BullJobQueue.name} and how it connects`, () => {
  const log = new LogBook();
  const servers: TestRedis[] = [];
  const queues: OpenBullQueue[] = [];

  beforeAll(async () => {
    // Installs a server where that is needed, outside of the time of the first test.
    await (await startRedis({ own: true })).close();
  }, 240_000);
  beforeEach(() => log.clear());
  afterEach(async () => {
    await Promise.all(queues.splice(0).map((opened) => opened.close()));
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  async function serve(options: TestRedisOptions): Promise<TestRedis> {
    const server = await startRedis({ own: true, ...options });
    servers.push(server);
    return server;
  }

  async function open(url: string): Promise<BullJobQueue> {
    const opened = await openBullQueue(url, { prefix: newPrefix(), logger: log });
    queues.push(opened);
    return opened.queue;
  }

  /** Runs a job, for which all three connections are needed, and says which ones ran. */
  async function runJob(url: string): Promise<string[]> {
    const queue = await open(url);
    const held = new HeldHandler();
    queue.consume(held.handle);
    await queue.enqueue({ name: 'delete_files', mediaFileId: 'a' });
    await held.untilStarted(1);
    held.finishAll();
    await queue.check();
    expect(log.lines('', 'error')).toEqual([]);
    return held.startedIds;
  }

  it('takes a password with any characters, and the number of a database', async () => {
    const server = await serve({ password: PASSWORD });
    expect(await runJob(`${server.url}/5`)).toEqual(['a']);
    const client = new Redis(server.url);
    const keyspace = await client.info('keyspace');
    client.disconnect();
    expect(keyspace).toMatch(/^db5:/m);
    expect(keyspace).not.toMatch(/^db0:/m);
  });

  it('takes a user with no more rights than it needs', async () => {
    const server = await serve({ password: 'of the administrator' });
    const admin = new Redis(server.url);
    await admin.acl('SETUSER', 'mediadock', 'on', '>secret', '~{*', '&{*', '+@all', '-@dangerous', '+info');
    admin.disconnect();
    expect(await runJob(`redis://mediadock:secret@127.0.0.1:${server.port}`)).toEqual(['a']);
  });

  it('says once that the password is wrong, and never what it is', async () => {
    const server = await serve({ password: PASSWORD });
    const queue = await open(`redis://:${encodeURIComponent('not-the-password')}@127.0.0.1:${server.port}`);
    queue.consume(async () => 'done');
    const admin = new Redis(server.url);
    await until(async () => {
      const stats = await admin.info('stats');
      return Number(/^total_connections_received:(\d+)/m.exec(stats)?.[1]) > 4 || null;
    }, 'it to try again and again');
    admin.disconnect();
    await expect(queue.check()).rejects.toThrow(OUTAGE);
    expect(await queue.enqueue({ name: 'delete_files', mediaFileId: 'a' })).toBe(false);
    expect(log.lines(OUTAGE, 'error')).toHaveLength(1);
    expect(log.lines('', 'error')[0]).toContain('WRONGPASS');
    expect(log.lines('Redis answers again')).toEqual([]);
    expect(log.lines('not-the-password')).toEqual([]);
  });

  it.each([
    ['allkeys-lru', 1],
    ['volatile-ttl', 1],
    ['noeviction', 0],
  ])('knows what the policy %s means for jobs', async (policy, warnings) => {
    const server = await serve({ args: ['--maxmemory', '64mb', '--maxmemory-policy', policy] });
    expect(await runJob(server.url)).toEqual(['a']);
    // The question was asked before the job was enqueued, and Redis answers in order.
    expect(log.lines(EVICTION, 'warn')).toHaveLength(warnings);
  });

  it('asks another way for the policy where CONFIG is forbidden', async () => {
    const server = await serve({
      args: ['--maxmemory-policy', 'allkeys-lru', '--rename-command', 'CONFIG', ''],
    });
    await open(server.url);
    await until(async () => log.lines(EVICTION, 'warn').length === 1 || null, 'the warning');
    expect(log.lines(EVICTION)[0]).toContain('allkeys-lru');
  });

  describe('with TLS', () => {
    let folder: string;
    let tls: { cert: string; key: string };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'mediadock-tls-'));
      tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
      const subject = ['-subj', '/CN=redis.test', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
      const files = ['-keyout', tls.key, '-out', tls.cert];
      await run('openssl', [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        ...subject,
        ...files,
      ]);
    });
    afterAll(async () => rm(folder, { recursive: true, force: true }));

    it('refuses a server that it has no reason to trust', async () => {
      const server = await serve({ tls });
      const queue = await open(server.url);
      await expect(queue.check()).rejects.toThrow(OUTAGE);
      expect(log.lines('self-signed certificate', 'error')).toHaveLength(1);
    });

    it.each(['127.0.0.1', 'localhost'])(
      'trusts the authorities that the process trusts, at %s',
      async (host) => {
        const trusted = getCACertificates('default');
        // What NODE_EXTRA_CA_CERTS does at the start of a process.
        setDefaultCACertificates([...trusted, await readFile(tls.cert, 'utf8')]);
        try {
          const server = await serve({ tls, password: PASSWORD });
          expect(await runJob(server.url.replace('127.0.0.1', host))).toEqual(['a']);
        } finally {
          setDefaultCACertificates(trusted);
        }
      },
    );
  });
});
