import { readFile } from 'node:fs/promises';
import { isMet, type Result, type Run, type Target } from '../result.js';
import type { Side } from '../rounds.js';
import { DOCS, writeFormatted } from './keep-run.js';
import { number } from './summary.js';

const BEGIN = '<!-- figures: written by `npm run bench` -->';
const END = '<!-- end of figures -->';

/** Writes the figures of the kept runs into `docs/benchmarks.md`, between its two marks, the latest run last. */
export async function writeDocument(runs: readonly Run[]): Promise<void> {
  const path = `${DOCS}/benchmarks.md`;
  const text = await readFile(path, 'utf8');
  const [before, rest] = split(text, BEGIN);
  const [, after] = split(rest, END);
  await writeFormatted(path, `${before}${BEGIN}\n\n${figures(runs)}\n\n${END}${after}`);
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at === -1) {
    throw new Error(`docs/benchmarks.md has lost its mark ${mark}`);
  }
  return [text.slice(0, at), text.slice(at + mark.length)];
}

function figures(runs: readonly Run[]): string {
  const latest = runs.at(-1);
  return latest === undefined ? '' : [machines(runs), targets(runs), details(latest)].join('\n\n');
}

function machines(runs: readonly Run[]): string {
  return runs
    .map(
      ({ startedAt, seconds, machine, node, seed }, index) =>
        `Run ${index + 1}: ${startedAt.slice(0, 16).replace('T', ' ')} UTC, ${seconds} s, seed ${seed}, on ${machine}, Node ${node}.`,
    )
    .join('\n');
}

function targets(runs: readonly Run[]): string {
  const rows = (runs.at(-1)?.results ?? []).flatMap(({ id, title, targets: ofResult }) =>
    ofResult.map((target, index) => {
      const measured = runs.map((run) => run.results.find((result) => result.id === id)?.targets[index]);
      return row(`${title}: ${target.what}`, target, measured);
    }),
  );
  const memory = (runs.at(-1)?.memory ?? []).map((target) =>
    row(
      target.what,
      target,
      runs.map((run) => run.memory.find(({ what }) => what === target.what)),
    ),
  );
  const runTitles = runs.map((_, index) => `run ${index + 1}`).join(' | ');
  return [
    `| work | target | ${runTitles} | met |`,
    `| --- | --- |${' ---: |'.repeat(runs.length)} --- |`,
    ...rows,
    ...memory,
  ].join('\n');
}

function row(title: string, target: Target, measured: readonly (Target | undefined)[]): string {
  const bound = `${target.kind === 'at least' ? '≥' : '≤'} ${target.bound} ${target.unit}`;
  const values = measured.map((found) => (found === undefined ? '–' : number(found.measured)));
  const met = measured.every((found) => found !== undefined && isMet(found));
  return `| ${title} | ${bound} | ${values.join(' | ')} | ${met ? 'yes' : '**no**'} |`;
}

/** What stands behind the ratios: medians of the latest run, with how far the rounds lay apart. */
function details(run: Run): string {
  return [
    'The latest run in full: medians over the rounds, and half of the distance between the best and the worst of them.',
    '',
    '| work | side | result | p50 | p99 | CPU for one: own + PostgreSQL + Redis |',
    '| --- | --- | ---: | ---: | ---: | --- |',
    ...run.results.flatMap(sides),
  ].join('\n');
}

function sides({ title, floor, unit, figures: found }: Result): string[] {
  return [side(title, `floor: ${floor}`, found.floor, unit), side('', 'service', found.service, unit)];
}

function side(
  title: string,
  name: string,
  { median, spread, p50Ms, p99Ms, cpu }: Side,
  unit: string,
): string {
  const work =
    cpu === undefined
      ? ''
      : `${cpu.service.toFixed(2)} + ${cpu.postgres.toFixed(2)} + ${cpu.redis.toFixed(2)} ms`;
  return `| ${title} | ${name} | ${number(median)} ${unit} ±${Math.round(spread * 50)} % | ${time(p50Ms)} | ${time(p99Ms)} | ${work} |`;
}

function time(value: number | undefined): string {
  return value === undefined ? '' : `${number(value)} ms`;
}
