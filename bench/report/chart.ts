import { writeFile } from 'node:fs/promises';
import type { Run, Target } from '../result.js';
import { isMet } from '../result.js';
import { DOCS } from './keep-run.js';
import { number } from './summary.js';

const WIDTH = 860;
const ROW = 30;
const LABELS = 460;
const BAR = 300;
/** A bar that reaches the end is half as much again as its target. */
const FULL = 1.5;

/** Draws how close each figure of a run comes to its target: the line stands at the target, the bar ends at the figure. */
export async function writeChart(run: Run): Promise<void> {
  await writeFile(`${DOCS}/benchmarks.svg`, chart(run));
}

export function chart({ results, memory, startedAt }: Run): string {
  const rows = [
    ...results.flatMap(({ title, targets }) => targets.map((target) => ({ title, target }))),
    ...memory.map((target) => ({ title: '', target })),
  ];
  const height = 70 + rows.length * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>Mediadock bench, ${startedAt.slice(0, 10)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="10" y="24" font-size="15" font-weight="bold">Measured against the target of each kind of work</text>`,
    `<text x="10" y="42" fill="#555">The line is the target. Rates should reach it; time, CPU and memory should end before it.</text>`,
    ...rows.map(({ title, target }, index) => bar(title, target, 56 + index * ROW)),
    `<line x1="${LABELS + BAR / FULL}" y1="52" x2="${LABELS + BAR / FULL}" y2="${height - 10}" stroke="#333" stroke-dasharray="4 3"/>`,
    '</svg>',
    '',
  ].join('\n');
}

function bar(title: string, target: Target, y: number): string {
  const length = (Math.min(FULL, target.measured / target.bound) / FULL) * BAR;
  const colour = isMet(target) ? '#2a7d4f' : '#b3462e';
  const label = [title, target.what].filter(Boolean).join(': ');
  return [
    `<text x="${LABELS - 8}" y="${y + 17}" text-anchor="end">${escape(shorten(label))}</text>`,
    `<rect x="${LABELS}" y="${y + 4}" width="${length.toFixed(1)}" height="${ROW - 10}" fill="${colour}"/>`,
    `<text x="${LABELS + BAR + 8}" y="${y + 17}">${number(target.measured)} ${escape(target.unit)}</text>`,
  ].join('');
}

const MAX_LABEL = 76;

function shorten(label: string): string {
  return label.length > MAX_LABEL ? `${label.slice(0, MAX_LABEL - 1)}…` : label;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
