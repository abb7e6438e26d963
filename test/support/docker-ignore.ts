import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Rule {
  readonly keeps: boolean;
  readonly text: string;
  readonly pattern: RegExp;
}

/** What Docker sends to a build: the rules of `.dockerignore`, of which the last one that matches decides. */
export class DockerIgnore {
  private constructor(private readonly rules: readonly Rule[]) {}

  static async read(folder: string): Promise<DockerIgnore> {
    const lines = (await readFile(join(folder, '.dockerignore'), 'utf8'))
      .split('\n')
      .map((line) => line.trim());
    return new DockerIgnore(lines.filter((line) => line !== '' && !line.startsWith('#')).map(toRule));
  }

  /** A path relative to the folder. What holds for a folder holds for all that is in it. */
  ignores(path: string): boolean {
    const names = path.split('/');
    const above = names.map((_, depth) => names.slice(0, depth + 1).join('/'));
    const decisive = this.rules.findLast(({ pattern }) => above.some((part) => pattern.test(part)));
    return decisive !== undefined && !decisive.keeps;
  }

  /** All files that get through, relative to the folder. */
  async list(folder: string, below = ''): Promise<string[]> {
    const entries = await readdir(join(folder, below), { withFileTypes: true });
    const found = await Promise.all(
      entries.map(async (entry) => {
        const path = below === '' ? entry.name : `${below}/${entry.name}`;
        if (entry.isDirectory()) {
          return this.mayHoldSomething(path) ? this.list(folder, path) : [];
        }
        return this.ignores(path) ? [] : [path];
      }),
    );
    return found.flat().toSorted();
  }

  async copy(from: string, to: string): Promise<void> {
    for (const path of await this.list(from)) {
      await cp(join(from, path), join(to, path));
    }
  }

  /** So that nobody walks through folders like `node_modules`. */
  private mayHoldSomething(folder: string): boolean {
    return (
      !this.ignores(folder) || this.rules.some(({ keeps, text }) => keeps && text.startsWith(`${folder}/`))
    );
  }
}

function toRule(line: string): Rule {
  const keeps = line.startsWith('!');
  const text = keeps ? line.slice(1) : line;
  const source = text
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('**/', '(?:[^/]+/){0,}')
    .replaceAll(/(?<!\))\*/g, '[^/]*');
  return { keeps, text, pattern: new RegExp(`^${source}$`) };
}
