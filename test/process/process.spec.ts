import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AdvisoryLock, LOCKS } from '../../src/database/advisory-lock.js';
import { until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { build, Installation, processesWith, type ServerProcess } from '../support/installation.js';
import { plantSeed } from '../support/postgres-seed.js';
import { createTestDatabase } from '../support/test-database.js';
import { pendingFiles, waitFor } from '../support/waiting.js';

describe('the process, with nothing configured', () => {
  let installation: Installation;
  let server: ServerProcess;

  beforeAll(async () => {
    await build();
    installation = await Installation.create({}, { fresh: true });
    server = await installation.start();
  }, 120_000);

  afterAll(async () => {
    await server.end('SIGTERM');
    await installation.remove();
  });

  it('says where it is', async () => {
    expect(server.output).toContain(`${installation.baseUrl}/docs`);
    expect(server.output).toContain('npm run --silent token -- alice');
    const alice = await installation.as('alice');
    expect(await alice.quota()).toMatchObject({ usedBytes: 0 });
  });

  it('keeps its own secrets to its owner', async () => {
    const secret = await readFile(join(installation.dataDir, 'secrets', 'jwt-secret'), 'utf8');
    expect(secret.length).toBeGreaterThanOrEqual(43);
    expect(server.output).not.toContain(secret);
  });

  it('keeps the young part of its heap small, as it is started', async () => {
    const metrics = await (await fetch(`${installation.baseUrl}/metrics`)).text();
    const bytes = Number(/^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)$/m.exec(metrics)?.[1]);
    // Two halves of 8 MiB; left to itself, V8 has taken three times as much by the time that everything is loaded.
    expect(bytes).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it('refuses to share its data folder with a second one, and goes on itself', async () => {
    const second = installation.launch({ PORT: '1' });
    expect(await second.ended).toBe(1);
    expect(second.output).toContain('Mediadock could not start');
    expect((await fetch(`${installation.baseUrl}/health/ready`)).status).toBe(200);
  });

  it('keeps its port from a second one, which says so and leaves no database behind', async () => {
    const other = await Installation.create();
    const second = other.launch({ PORT: String(installation.port) });
    expect(await second.ended).toBe(1);
    expect(second.output).toContain('EADDRINUSE');
    expect(await processesWith(other.dataDir)).toEqual([]);
    await other.remove();
  });
});

describe('the process', () => {
  const running: ServerProcess[] = [];
  const installations: Installation[] = [];

  beforeAll(async () => build(), 120_000);

  afterEach(async () => {
    // The gentle way, so that every server takes its database with it.
    await Promise.all(running.splice(0).map((server) => server.end('SIGTERM')));
    await Promise.all(installations.splice(0).map((installation) => installation.remove()));
  });

  async function install(environment: Record<string, string> = {}): Promise<Installation> {
    const installation = await Installation.create(environment);
    installations.push(installation);
    return installation;
  }

  async function start(installation: Installation): Promise<ServerProcess> {
    const server = await installation.start();
    running.push(server);
    return server;
  }

  it('ends within ten seconds of SIGTERM, also under load, with a hanging client and one that waits, and leaves nothing running', async () => {
    const installation = await install();
    const server = await start(installation);
    const alice = await installation.as('alice');
    const large = await photo(4000, 3000);
    await Promise.all([1, 2, 3, 4, 5, 6].map(() => alice.upload(large, 'image/jpeg')));
    const [pending = ''] = await pendingFiles(alice, 1);
    const waiting = waitFor(alice, pending, 60);
    const hanging = connect(installation.port, '127.0.0.1');
    hanging.on('error', () => {});
    hanging.write('POST /v1/media HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
    expect(await processesWith(installation.dataDir)).not.toEqual([]);

    const before = Date.now();
    expect(await server.end('SIGTERM')).toBe(0);
    expect(Date.now() - before).toBeLessThan(10_000);
    expect(await waiting).toMatchObject({ status: 200, body: { status: 'pending' } });
    hanging.destroy();
    expect(await processesWith(installation.dataDir)).toEqual([]);
    expect(server.output).not.toMatch(/unhandled/i);
  });

  it('loses no file when it is killed in the middle of its work', async () => {
    const installation = await install();
    const killed = await start(installation);
    const alice = await installation.as('alice');
    const large = await photo(2000, 1500);
    const files = await Promise.all(Array.from({ length: 12 }, () => alice.upload(large, 'image/jpeg')));
    expect(await killed.end('SIGKILL')).toBe('SIGKILL');

    const revived = await start(installation);
    const settled = await Promise.all(files.map(({ id }) => alice.settled(id)));
    expect(settled.map(({ status }) => status)).toEqual(files.map(() => 'ready'));
    expect(await alice.quota()).toMatchObject({ usedBytes: files.length * large.length, reservedBytes: 0 });
    const reconciled = await installation.command('quota-reconcile', '--dry-run');
    expect(reconciled.stdout).toContain('Every ledger agrees');
    expect(await revived.end('SIGTERM')).toBe(0);
  }, 60_000);

  it('does not start with a wrong configuration, lists all that is wrong, and prints no secret', async () => {
    const installation = await install();
    const server = installation.launch({
      PORT: 'x',
      ROLE: 'y',
      NODE_ENV: 'production',
      JWT_SECRET: 'hush-hush',
    });
    expect(await server.ended).toBe(1);
    for (const name of [
      'PORT',
      'ROLE',
      'DATABASE_URL',
      'REDIS_URL',
      'STORAGE_DRIVER',
      'JWT_SECRET',
      'ALLOW_EMBEDDED',
    ]) {
      expect(server.output).toContain(name);
    }
    expect(server.output).not.toContain('hush-hush');
  });

  it('can be stopped while it waits for another process that migrates', async () => {
    const database = await createTestDatabase();
    const migrating = new AdvisoryLock(database.url, LOCKS.migrations);
    await migrating.acquire();
    try {
      const installation = await install({ DATABASE_URL: database.url });
      const server = installation.launch();
      await until(async () => {
        const locks = await database.query(
          "select 1 from pg_locks where locktype = 'advisory' and not granted",
        );
        return locks.length > 0 ? true : null;
      }, 'the server to wait');
      const before = performance.now();
      expect(await server.end('SIGTERM')).toBe(0);
      expect(performance.now() - before).toBeLessThan(10_000);
    } finally {
      await migrating.release();
      await database.drop();
    }
  });

  it('can be stopped while it starts, and leaves no database behind', async () => {
    const installation = await install();
    const server = installation.launch();
    while ((await processesWith(installation.dataDir)).length < 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await server.end('SIGTERM')).toBe(0);
    expect(await processesWith(installation.dataDir)).toEqual([]);
  });

  it('ends within ten seconds of SIGTERM also when its start takes longer, as with a database that recovers', async () => {
    const installation = await install();
    const cluster = join(installation.dataDir, 'postgres', 'data');
    await plantSeed(installation.dataDir);
    await appendFile(join(cluster, 'postgresql.auto.conf'), "restore_command = 'sleep 30'\n");
    await writeFile(join(cluster, 'recovery.signal'), '');
    const server = installation.launch();
    const database = await until(() => pidIn(join(cluster, 'postmaster.pid')), 'the database to start');

    server.signal('SIGTERM');
    const ended = await Promise.race([server.ended, sleep(15_000, 'still there')]);
    await server.end('SIGKILL');
    process.kill(database, 'SIGKILL');
    expect(ended).toBe(1);
  });
});

describe('the commands', () => {
  let installation: Installation;

  beforeAll(async () => {
    await build();
  }, 120_000);

  afterEach(async () => installation.remove());

  it('add a user where users are added by hand, beside a running server', async () => {
    installation = await Installation.create({ USER_PROVISIONING: 'manual' });
    const server = await installation.start();
    const bob = await installation.as('bob');
    expect((await bob.send('GET', '/v1/quota')).body).toMatchObject({ status: 404, code: 'user_not_found' });
    expect((await bob.list()).body).toEqual({ items: [], hasMore: false, nextCursor: null });

    const added = await installation.command('user-add', 'bob');
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toMatch(/^Added: bob has the profile [0-9a-f-]{36}\n$/);
    expect((await installation.command('user-add', 'bob')).stdout).toContain('Was there already');
    expect((await bob.send('GET', '/v1/quota')).status).toBe(200);
    for (const mistake of [[], ['--help'], ['bob', 'carol']]) {
      const { code, stdout, stderr } = await installation.command('user-add', ...mistake);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^Usage: .+\n$/);
    }
    await server.end('SIGTERM');
  });

  it('print nothing but the token, so that it can go straight into a variable', async () => {
    installation = await Installation.create();
    const { code, stdout, stderr } = await installation.command('token', 'alice');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect((await installation.command('token')).code).toBe(2);
    expect((await installation.command('token', 'alice', '--ttl', 'soon')).code).toBe(2);
    const { code: usage, stderr: words } = await installation.command('token', 'alice', '--for-ever');
    expect(usage).toBe(2);
    expect(words).toMatch(/^Usage: .+\n$/);
  });

  it('reconcile the quota on a database of their own when no server runs', async () => {
    installation = await Installation.create();
    const { code, stdout } = await installation.command('quota-reconcile');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Every ledger agrees with its files\n' });
    expect(await processesWith(installation.dataDir)).toEqual([]);
  });
});

/** Null as long as the file is not there, or has not been written yet. */
async function pidIn(path: string): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return Number.parseInt(text, 10) || null;
}
