import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

export interface StartCommand {
  readonly environment: Readonly<Record<string, string>>;
  /** What Node is given before the script. */
  readonly nodeOptions: readonly string[];
}

/** Read from `npm start`, so that whatever is tested or measured is started with what users start it with. */
export const START_COMMAND = readStartCommand();

function readStartCommand(): StartCommand {
  const manifest: { scripts: { start: string } } = JSON.parse(readFileSync(manifestFile(), 'utf8'));
  const [, words] = /exec env (.+) dist\/src\/main\.js$/.exec(manifest.scripts.start) ?? [];
  const [variables, options] = words?.split(/ ?\bnode\b ?/) ?? [];
  if (variables === undefined || options === undefined) {
    throw new Error(`This is no command as it is known here: ${manifest.scripts.start}`);
  }
  return {
    environment: Object.fromEntries(variables.split(' ').map((variable) => variable.split('=', 2))),
    nodeOptions: options.split(' ').filter(Boolean),
  };
}

/** Compiled or not: `dist` has none of its own. */
function manifestFile(): string {
  const file = findPackageJSON('..', import.meta.url);
  if (file === undefined) {
    throw new Error('There is no package.json above');
  }
  return file;
}
