import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { Run } from '../result.js';

export const DOCS = join(import.meta.dirname, '..', '..', '..', 'docs');
const JSON_FILE = join(DOCS, 'benchmarks.json');
/** One run is a figure, two are a finding. */
const KEPT_RUNS = 2;

/** Adds a full run to those that the documentation shows. @returns all of them, the oldest first */
export async function keepRun(run: Run): Promise<Run[]> {
  const runs = [...(await keptRuns()), run].slice(-KEPT_RUNS);
  await writeFormatted(JSON_FILE, JSON.stringify({ runs }));
  return runs;
}

export async function keptRuns(): Promise<Run[]> {
  const json = await readFile(JSON_FILE, 'utf8').catch(() => '{"runs":[]}');
  const { runs }: { runs: Run[] } = JSON.parse(json);
  return runs;
}

/** As the format check of the project wants it. */
export async function writeFormatted(path: string, text: string): Promise<void> {
  await writeFile(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
}
