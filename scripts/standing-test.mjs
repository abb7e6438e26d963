// Runs one of the standing tests (property, fuzz, load, chaos) longer, or from another seed, than `npm test` does:
//   node scripts/standing-test.mjs <file or folder> [--seconds N] [--count N] [--seed N]
// What a number means is said by the test that reads it (`test/support/run-options.ts`).
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string' }, count: { type: 'string' }, seed: { type: 'string' } },
  });
  if (positionals.length !== 1) {
    throw new TypeError('Expected one file or folder of tests');
  }
  for (const [name, value] of Object.entries(values)) {
    if (!/^\d{1,9}$/.test(value)) {
      throw new TypeError(`--${name} must be a whole number`);
    }
  }
  return { values, target: positionals[0] };
}

try {
  const { values, target } = options();
  const environment = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`TEST_${name.toUpperCase()}`, value]),
  );
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--project', 'embedded', '--reporter', 'verbose', target],
    {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: 'inherit',
    },
  );
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
