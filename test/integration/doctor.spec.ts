import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEnvironment, type RawEnvironment } from '../../src/config/parse-environment.js';
import { loadSecrets } from '../../src/config/secrets.js';
import { checkDisk } from '../../src/doctor/check-local.js';
import { examine } from '../../src/doctor/doctor.js';
import type { Finding } from '../../src/doctor/finding.js';
import { startGcs } from '../support/gcs/start-gcs.js';
import { Installation } from '../support/installation.js';
import { startRedis } from '../support/redis.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const problems = (findings: readonly Finding[]) =>
  findings.filter(({ verdict }) => verdict === 'problem').map(({ check, message }) => `${check}: ${message}`);

describe(examine.name, () => {
  let dataDir: string;
  let database: TestDatabase;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'mediadock-doctor-'));
    await chmod(dataDir, 0o755);
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  async function examined(environment: RawEnvironment): Promise<Finding[]> {
    const config = parseEnvironment({ DATA_DIR: dataDir, DATABASE_URL: database.url, ...environment });
    return examine(config, await loadSecrets(config));
  }

  it('says that the migrations have not run, and finds nothing else in an installation that was never started', async () => {
    expect(problems(await examined({}))).toEqual([
      'database: Migrations have not run: m0001-initial-schema, m0002-idempotency-keys',
    ]);
  });

  it('looks at the disk before there is a data folder on it', async () => {
    const config = parseEnvironment({ DATA_DIR: join(dataDir, 'not', 'yet'), DATABASE_URL: database.url });
    expect(await checkDisk(config)).toMatchObject([{ check: 'disk' }]);
  });

  it('finds all well once the schema is there, on the parts of production', async () => {
    const [redis, gcs] = await Promise.all([startRedis(), startGcs()]);
    const environment = {
      ...gcs.environment,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      CORS_ORIGINS: 'https://app.example.com',
    };
    const installation = await Installation.create(environment);
    try {
      expect(await installation.command('migrate')).toMatchObject({
        code: 0,
        stdout: 'The schema is up to date\n',
      });
      expect(await installation.command('storage-setup')).toMatchObject({ code: 0 });
      const findings = await examined(environment);
      expect(problems(findings)).toEqual([]);
      expect(new Set(findings.map(({ check }) => check))).toEqual(
        new Set(['tokens', 'database', 'redis', 'buckets', 'storage', 'signed PUT', 'no overwrite', 'clock']),
      );
      expect(gcs.objects('uploads')).toEqual([]);
    } finally {
      await Promise.all([redis.close(), gcs.close(), installation.remove()]);
    }
  });

  it('names a Redis that evicts keys, and buckets whose CORS does not fit what we sign', async () => {
    const [redis, gcs] = await Promise.all([
      startRedis({ own: true, args: ['--maxmemory-policy', 'allkeys-lru'] }),
      startGcs({ corsOrigins: [] }),
    ]);
    try {
      const found = problems(
        await examined({ ...gcs.environment, REDIS_URL: redis.url, CORS_ORIGINS: 'https://app.example.com' }),
      ).join('\n');
      expect(found).toMatch(/redis: Redis evicts keys when it is full \(allkeys-lru\)/);
      expect(found).toMatch(/buckets: .*CORS/i);
    } finally {
      await Promise.all([redis.close(), gcs.close()]);
    }
  });

  it('goes on after a part that is down, says which, and shows no password', async () => {
    const findings = await examined({
      DATABASE_URL: 'postgres://somebody:hush@127.0.0.1:1/nowhere',
      REDIS_URL: 'redis://:hush@127.0.0.1:1',
    });
    const found = problems(findings).join('\n');
    expect(found).toContain('database: PostgreSQL cannot be reached');
    expect(found).toContain('redis: Redis cannot be reached');
    expect(found).not.toContain('hush');
    expect(findings.some(({ check, verdict }) => check === 'signed PUT' && verdict === 'ok')).toBe(true);
  });

  it('looks at both ways to the database where a pooler is in between', async () => {
    const well = await examined({ DATABASE_DIRECT_URL: database.url.replace('127.0.0.1', 'localhost') });
    expect(well).toContainEqual(
      expect.objectContaining({ verdict: 'ok', message: 'The way around the pooler answers' }),
    );
    const found = problems(await examined({ DATABASE_DIRECT_URL: 'postgres://a:hush@127.0.0.1:1/x' }));
    expect(found.join('\n')).toContain('PostgreSQL cannot be reached around the pooler');
    expect(found.join('\n')).not.toContain('hush');
  });

  it('tells machines too, and by its exit code', async () => {
    const installation = await Installation.create({ DATABASE_URL: database.url });
    const wrong = await Installation.create({ PORT: 'x' });
    try {
      const { code, stdout } = await installation.command('doctor', '--json');
      expect({ code, report: JSON.parse(stdout) }).toMatchObject({ code: 0, report: { healthy: true } });
      const sick = await wrong.command('doctor');
      expect(sick.code).not.toBe(0);
      expect(sick.stdout).toContain('PORT must be a whole number');
    } finally {
      await installation.remove();
      await wrong.remove();
    }
  });
});
