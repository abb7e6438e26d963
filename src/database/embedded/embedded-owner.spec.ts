import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OwnerLock, readLiveOwner } from './embedded-owner.js';
import { DataFolderInUseError } from './embedded-postgres.errors.js';
import { startTimeOf } from './embedded-process.js';

let dataDir: string;
let file: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mediadock-owner-'));
  file = join(dataDir, 'embedded-postgres.json');
});

afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** The id of a process that is certainly gone. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? 0;
}

async function leaveLock(ownerPid: number, ownerStartTime: string | null): Promise<void> {
  await writeFile(
    file,
    JSON.stringify({ id: 'left', ownerPid, ownerStartTime, port: 1, url: 'postgres://x/' }),
  );
}

describe(OwnerLock.name, () => {
  it('is a private file that names its owner, and is gone after release', async () => {
    const lock = await OwnerLock.acquire(dataDir);
    await lock.publish(5432, 'postgres://mediadock:secret@127.0.0.1:5432/mediadock');

    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readLiveOwner(dataDir)).toMatchObject({ ownerPid: process.pid, port: 5432 });

    await lock.release();
    await lock.release();
    expect(await readdir(dataDir)).toEqual([]);
    expect(await readLiveOwner(dataDir)).toBeNull();
  });

  it('refuses a second owner, naming the first and the folder', async () => {
    const lock = await OwnerLock.acquire(dataDir);

    const second = OwnerLock.acquire(dataDir);

    await expect(second).rejects.toThrow(DataFolderInUseError);
    await expect(second).rejects.toThrow(
      `${dataDir} is in use by another Mediadock (process ${process.pid})`,
    );
    await lock.assertHeld();
  });

  it('takes over from an owner that died', async () => {
    await leaveLock(await deadPid(), null);

    await OwnerLock.acquire(dataDir);

    expect(await readdir(dataDir)).toEqual(['embedded-postgres.json']);
    expect(await readLiveOwner(dataDir)).toMatchObject({ ownerPid: process.pid, url: null });
  });

  it('does not take a living process with a reused id for the owner', async () => {
    expect(await startTimeOf(process.pid)).not.toBeNull();
    await leaveLock(process.pid, 'another time');

    expect(await readLiveOwner(dataDir)).toBeNull();
    await expect(OwnerLock.acquire(dataDir)).resolves.toBeInstanceOf(OwnerLock);
  });

  it('takes over a file that a crash cut short', async () => {
    await writeFile(file, '{"id":"cut sho');

    await expect(OwnerLock.acquire(dataDir)).resolves.toBeInstanceOf(OwnerLock);
  });

  it('goes to exactly one of many who find a dead owner at once', async () => {
    await leaveLock(await deadPid(), null);

    const contenders = await Promise.allSettled(
      Array.from({ length: 16 }, async () => {
        const lock = await OwnerLock.acquire(dataDir);
        await lock.assertHeld();
      }),
    );

    const refusals = contenders.filter((contender) => contender.status === 'rejected');
    expect(refusals).toHaveLength(15);
    for (const { reason } of refusals) expect(reason).toBeInstanceOf(DataFolderInUseError);
  });

  it('notices when another took the folder, and leaves the lock to that one', async () => {
    const lock = await OwnerLock.acquire(dataDir);
    await leaveLock(process.pid, await startTimeOf(process.pid));

    await expect(lock.assertHeld()).rejects.toThrow(DataFolderInUseError);
    await lock.release();

    expect(await readFile(file, 'utf8')).toContain('"left"');
  });
});
