import { chmod, chown, cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseAccount, isRoot } from './embedded-account.js';
import { clusterOf, findPlace, prepareDataDir } from './embedded-place.js';

let base: string;
let dataDir: string;
let elsewhere: string;

beforeEach(async () => {
  Logger.overrideLogger(false);
  base = await mkdtemp(join(tmpdir(), 'mediadock-place-'));
  await chmod(base, 0o755);
  dataDir = join(base, 'hidden', 'data');
  elsewhere = join(base, 'elsewhere');
  await mkdir(dataDir, { recursive: true });
});

afterEach(() => rm(base, { recursive: true, force: true }));

/** An area with a cluster, as far as finding it goes. */
async function findAndFill(folder = dataDir): Promise<string> {
  const { area } = await findPlace(folder, [folder, elsewhere]);
  await mkdir(clusterOf(area), { recursive: true });
  return area;
}

function note(folder = dataDir): string {
  return join(folder, 'postgres.location');
}

describe(findPlace.name, () => {
  it('is below the data folder and private to the user of PostgreSQL', async () => {
    const { area, account } = await findPlace(dataDir, [dataDir, elsewhere]);

    expect(area).toBe(join(dataDir, 'postgres'));
    expect((await stat(area)).mode & 0o777).toBe(0o700);
    expect((await stat(area)).uid).toBe(account?.uid ?? process.getuid?.());
    await expect(stat(note())).rejects.toThrow('ENOENT');
  });

  it('says so when the note points to nowhere, instead of starting with an empty database', async () => {
    await writeFile(note(), JSON.stringify({ dataDir, area: join(elsewhere, 'gone'), why: 'unreachable' }));

    await expect(findAndFill()).rejects.toThrow('delete the note to start with an empty database');
  });

  it('says so when the note is damaged', async () => {
    await writeFile(note(), '{"dataDir":');

    await expect(findAndFill()).rejects.toThrow(`${note()} is damaged`);
  });
});

describe.runIf(isRoot())(`${findPlace.name} for root, where PostgreSQL cannot reach the data folder`, () => {
  beforeEach(() => chmod(join(base, 'hidden'), 0o700));

  it('is elsewhere, and noted for the next start and for people', async () => {
    const area = await findAndFill();

    expect(dirname(area)).toBe(elsewhere);
    expect(JSON.parse(await readFile(note(), 'utf8'))).toMatchObject({ dataDir, area });
    expect((await stat(area)).uid).not.toBe(0);
    await expect(stat(join(dataDir, 'postgres'))).rejects.toThrow('ENOENT');
    expect(await findAndFill()).toBe(area);
  });

  it('stays elsewhere when the data folder becomes reachable', async () => {
    const area = await findAndFill();
    await chmod(join(base, 'hidden'), 0o755);

    expect(await findAndFill()).toBe(area);
  });

  it('moves along with a data folder that is renamed', async () => {
    const area = await findAndFill();
    const renamed = join(base, 'hidden', 'renamed');
    await rename(dataDir, renamed);

    expect(await findAndFill(renamed)).toBe(area);
  });

  it('is not shared with a copy of the data folder', async () => {
    const area = await findAndFill();
    const copy = join(base, 'hidden', 'copy');
    await cp(dataDir, copy, { recursive: true });

    const areaOfCopy = await findAndFill(copy);

    expect(areaOfCopy).not.toBe(area);
    expect(await findAndFill(copy)).toBe(areaOfCopy);
    expect(await findAndFill()).toBe(area);
  });

  it('goes to one only, when the original is renamed after it was copied', async () => {
    const area = await findAndFill();
    const [copy, renamed] = [join(base, 'hidden', 'copy'), join(base, 'hidden', 'renamed')];
    await cp(dataDir, copy, { recursive: true });
    await rename(dataDir, renamed);

    expect(await findAndFill(renamed)).toBe(area);
    expect(await findAndFill(copy)).not.toBe(area);
    expect(await findAndFill(renamed)).toBe(area);
  });

  it('is a new one for a data folder that was emptied, and spares the old one', async () => {
    const area = await findAndFill();
    await rm(note());

    expect(await findAndFill()).not.toBe(area);
    expect((await stat(clusterOf(area))).isDirectory()).toBe(true);
  });

  it('says so when there is no reachable folder at all', async () => {
    const bases = [dataDir, join(base, 'hidden', 'other')];

    await expect(findPlace(dataDir, bases)).rejects.toThrow('There is no folder for the embedded database');
  });

  it('does not lose a database whose folder became unreachable', async () => {
    await chmod(join(base, 'hidden'), 0o755);
    await findAndFill();
    const account = await chooseAccount(null);
    await chmod(join(base, 'hidden'), 0o700);

    const again = findPlace(dataDir, [dataDir, elsewhere]);

    await expect(again).rejects.toThrow(`cannot be used by the user with id ${account?.uid}`);
  });
});

describe.runIf(isRoot())(`${findPlace.name} for root, with a cluster that is there already`, () => {
  it('leaves it to its owner', async () => {
    const area = await findAndFill();
    await chown(area, 65534, 65534);
    await chown(clusterOf(area), 65534, 65534);

    const { account } = await findPlace(dataDir, [dataDir]);

    expect(account).toEqual({ uid: 65534, gid: 65534 });
  });

  it('takes one that root copied from root again', async () => {
    const area = await findAndFill();
    const file = join(clusterOf(area), 'PG_VERSION');
    await writeFile(file, '18\n', { mode: 0o600 });
    expect((await stat(file)).uid).toBe(0);

    const { account } = await findPlace(dataDir, [dataDir]);

    expect((await stat(file)).uid).toBe(account?.uid);
  });
});

describe(prepareDataDir.name, () => {
  it.runIf(isRoot())('makes folders that PostgreSQL can pass through, whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      await prepareDataDir(join(base, 'one', 'two'));
    } finally {
      process.umask(umask);
    }

    expect((await stat(join(base, 'one'))).mode & 0o777).toBe(0o755);
    expect((await stat(join(base, 'one', 'two'))).mode & 0o777).toBe(0o755);
  });

  it('leaves the mode of a folder alone that is there already', async () => {
    await chmod(dataDir, 0o700);

    await prepareDataDir(dataDir);

    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
  });
});
