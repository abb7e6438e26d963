import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getMetadataStorage } from 'class-validator';
import { describe, expect, it } from 'vitest';
import { Metrics } from '../../src/common/metrics.js';
import { Environment } from '../../src/config/environment.js';

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/operations.md',
  'docs/deployment.md',
  'docs/reliability.md',
  'docs/security.md',
  'docs/dependencies.md',
];
const ROOT = join(import.meta.dirname, '..', '..');

describe('the documentation', () => {
  it('lists every setting in the README', async () => {
    const readme = await read('README.md');
    expect(settings().filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });

  it('shows every setting in .env.example, with its default where it has one', async () => {
    const shown = new Map(
      [...(await read('.env.example')).matchAll(/^# ([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [
        name,
        value,
      ]),
    );
    expect(new Set(shown.keys())).toEqual(new Set(settings()));
    for (const [name, value] of Object.entries(new Environment())) {
      expect(`${name}=${shown.get(name)}`).toBe(`${name}=${String(value)}`);
    }
  });

  it('explains every metric to whoever runs this', async () => {
    const operations = await read('docs/operations.md');
    const ours = (await new Metrics().registry.getMetricsAsJSON())
      .map(({ name }) => name)
      .filter((name) => name.startsWith('mediadock_'));
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
  });

  it('gives a reason for every package', async () => {
    const dependencies = await read('docs/dependencies.md');
    const manifest: Record<string, Record<string, string> | undefined> = JSON.parse(
      await read('package.json'),
    );
    const packages = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((kind) =>
      Object.keys(manifest[kind] ?? {}),
    );
    expect(packages.filter((name) => !dependencies.includes(`\`${name}\``))).toEqual([]);
  });

  it('names no test, script or source that is not there', async () => {
    const gone: string[] = [];
    for (const page of PAGES) {
      for (const [, path = ''] of (await read(page)).matchAll(
        /`((?:src|test|scripts|deploy)\/[\w./-]+\.\w+)`/g,
      )) {
        if (!path.includes('m0003-what-it-does') && (await read(path).catch(() => null)) === null) {
          gone.push(`${page}: ${path}`);
        }
      }
    }
    expect(gone).toEqual([]);
  });

  it('names a test for each of the 26 lines of the security checklist, and each of them is there', async () => {
    const rows = [
      ...(await read('docs/security.md')).matchAll(/^\| (\d+): (.+?) *\|.*\| `([^`]+)`[^|]*\|$/gm),
    ];
    expect(rows.map(([, line]) => Number(line))).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
    const missing: string[] = [];
    for (const [, line, words, file = ''] of rows) {
      const title = `${line}: ${words}`;
      const source = await read(file);
      if (!file.startsWith('test/security/') || !/describe\(['"]$/.test(source.split(title, 1)[0] ?? '')) {
        missing.push(`${file}: ${title}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it.each(PAGES)('has no link in %s that leads nowhere', async (file) => {
    const broken: string[] = [];
    for (const [, target = ''] of (await read(file)).matchAll(/\]\(([^):\s]+)\)/g)) {
      const [path, anchor] = target.split('#');
      const text = await read(path ? join(file, '..', path) : file).catch(() => null);
      if (text === null || (anchor && !anchorsOf(text).includes(anchor))) {
        broken.push(target);
      }
    }
    expect(broken).toEqual([]);
  });
});

async function read(path: string): Promise<string> {
  return readFile(join(ROOT, path), 'utf8');
}

/** Names of all variables. */
function settings(): string[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(Environment, '', false, false);
  return [...new Set(rules.map(({ propertyName }) => propertyName))];
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
