import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, Installation, type ServerProcess } from '../support/installation.js';

const ROOT = join(import.meta.dirname, '..', '..');
const HEADING = '\n## A five-minute tour\n';
const BETWEEN = '---- next block ----';

describe('the tour in README.md', () => {
  let installation: Installation;
  let server: ServerProcess | undefined;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mediadock-tour-'));
    installation = await Installation.create({ LOG_LEVEL: 'warn' }, { fresh: true });
    await build();
    server = await installation.start();
  }, 120_000);
  afterAll(async () => {
    await server?.end('SIGTERM');
    await installation.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('works when pasted block by block, and shows what it says it shows', async () => {
    const outputs = await runInOneShell(await tourBlocks(), {
      ...process.env,
      BASE: installation.baseUrl,
      DATA_DIR: installation.dataDir,
      TMPDIR: folder,
    });

    expect(outputs).toHaveLength(13);
    const [token, photo, request, put, confirm, wait, thumbnail, list, quota, again, small, removal, gone] =
      outputs;
    expect([token, photo]).toEqual(['', '']);
    const { mediaFileId: id } = parse(request);
    expect(put).toBe('200');
    expect(parse(confirm)).toMatchObject({ id, status: 'processing', originalFileName: 'sunset.jpg' });
    const file = parse(wait);
    expect(file).toMatchObject({ id, status: 'ready', width: 1600, height: 1200 });
    expect(thumbnail).toMatch(/^200 image\/webp\n[^]*thumbnail\.webp/);
    expect(parse(list)).toMatchObject({ items: [{ id }], hasMore: false });
    expect(parse(quota)).toMatchObject({ usedBytes: file['fileSize'], reservedBytes: 0 });
    expect(parse(again)).toMatchObject({ duplicate: true, mediaFile: { id } });
    const [direct, created] = (small ?? '').split('\n');
    expect(parse(direct)).toMatchObject({ mimeType: 'image/png', originalFileName: 'icon.png' });
    expect(created).toBe('201');
    expect(removal).toBe('204');
    expect(gone).toMatch(/"code":"not_found"\}\n404$/);
  });
});

/** The shell blocks below the heading of the tour, in their order. */
async function tourBlocks(): Promise<string[]> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [, rest = ''] = readme.split(HEADING);
  const [tour = ''] = rest.split('\n## ');
  return [...tour.matchAll(/```bash\n([^]*?)```/g)].map(([, block = '']) => block);
}

/** @returns what each block printed. Fails with the first command that fails. */
async function runInOneShell(blocks: readonly string[], environment: NodeJS.ProcessEnv): Promise<string[]> {
  const script = `set -euo pipefail\n${blocks.join(`\nprintf '\\n%s\\n' '${BETWEEN}'\n`)}`;
  const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: ROOT, env: environment });
  return stdout.split(BETWEEN).map((output) => output.trim());
}

function parse(text: string | undefined): Record<string, unknown> {
  const value: unknown = JSON.parse(text ?? '');
  if (typeof value !== 'object' || value === null) {
    throw new Error(`Not an object: ${text}`);
  }
  return { ...value };
}
