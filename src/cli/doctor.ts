import 'reflect-metadata';
import { ConfigError } from '../config/parse-environment.js';
import { readEnvironment } from '../config/read-environment.js';
import { loadSecrets } from '../config/secrets.js';
import { examine } from '../doctor/doctor.js';
import { type Finding, problem, type Verdict } from '../doctor/finding.js';
import { readArguments, runCommand } from './command.js';

const USAGE = 'Usage: npm run --silent doctor [-- --json]';
const MARKS: Record<Verdict, string> = { ok: 'ok     ', warning: 'warning', problem: 'PROBLEM' };

/** Checks the whole installation and says in words what is wrong and how to mend it. Exit code 0 only when all is well. */
await runCommand(async () => {
  const json = readFlags();
  const findings = await findAll();
  const healthy = findings.every(({ verdict }) => verdict !== 'problem');
  process.stdout.write(
    json ? `${JSON.stringify({ healthy, findings }, null, 2)}\n` : inWords(findings, healthy),
  );
  process.exitCode = healthy ? 0 : 1;
});

async function findAll(): Promise<Finding[]> {
  try {
    const config = readEnvironment();
    return await examine(config, await loadSecrets(config));
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.mistakes.map((mistake) =>
        problem('configuration', mistake, 'Set it right in the environment or in .env'),
      );
    }
    throw error;
  }
}

function inWords(findings: readonly Finding[], healthy: boolean): string {
  const lines = findings.flatMap(({ check, verdict, message, remedy }) => [
    `${MARKS[verdict]}  ${check}: ${message}`,
    ...(remedy === undefined ? [] : [`         → ${remedy}`]),
  ]);
  return `${lines.join('\n')}\n\n${healthy ? 'All is well' : 'Not all is well'}\n`;
}

function readFlags(): boolean {
  return readArguments(USAGE, { options: { json: { type: 'boolean', default: false } } }).values.json;
}
