// Builds `dist` when it is missing or older than what it is made of, so that `npm start` works right after
// `npm ci` and costs nothing when there is nothing to do. In an image without the compiler, `dist` is simply used.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'dist', 'src', 'main.js');
const cli = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) {
    return stat.mtimeMs;
  }
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** False for a build that was killed: the compiler writes one file after the other. */
function isWhole() {
  return readdirSync(join(root, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .every((name) => existsSync(join(root, 'dist', 'src', name.replace(/\.ts$/, '.js'))));
}

function isStale() {
  if (!isWhole()) {
    return true;
  }
  const inputs = [
    'src',
    'mikro-orm.config.ts',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'nest-cli.json',
  ];
  const built = statSync(stamp).mtimeMs;
  return inputs.map((input) => join(root, input)).some((input) => existsSync(input) && newest(input) > built);
}

if (existsSync(cli) && isStale()) {
  const build = spawnSync(process.execPath, [cli, 'build'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  process.exitCode = build.status ?? 1;
}
