import { cpus, totalmem, type } from 'node:os';
import { BareSharp } from './bare-sharp.js';
import { Corpus } from './corpus.js';
import { type BenchOptions, readOptions } from './options.js';
import { peakRssMib, resetPeakRss } from './process-meter.js';
import { Progress } from './progress.js';
import { writeChart } from './report/chart.js';
import { writeDocument } from './report/document.js';
import { keepRun } from './report/keep-run.js';
import { summarize } from './report/summary.js';
import { atMost, isMet, type Result, type Run, type Target } from './result.js';
import { Stage } from './stage.js';
import { makeUsers } from './users.js';
import { WarmWorker } from './warm-worker.js';
import type { Scene, Workload } from './workload.js';
import { gcsAgainstHttp, gcsWithHmacKey, gcsWithRsaKey } from './workloads/gcs-signing.js';
import { imageBatch, singleImage } from './workloads/images.js';
import { farPage, listNewest, listOfMany, quotaOfMany } from './workloads/listing.js';
import { directUpload, requestAndPut, requestUpload } from './workloads/uploads.js';

/** 64 for the connections of the load, and those whose lists are read. */
const USERS = 70;
const MIB = 1024 * 1024;

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const startedAt = new Date();
  const started = performance.now();
  const { results, memory } = await runAll(options);
  const [cpu] = cpus();
  const run: Run = {
    startedAt: startedAt.toISOString(),
    seconds: Math.round((performance.now() - started) / 1000),
    scale: options.scale.name,
    seed: options.seed,
    node: process.version,
    machine: `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 1024 / MIB)} GiB, ${type()}`,
    results,
    memory,
  };
  process.stdout.write(`${summarize(run)}\n`);
  if (options.only === null && options.scale.name === 'full') {
    const runs = await keepRun(run);
    await writeDocument(runs);
    await writeChart(run);
  }
  const missed = [...results.flatMap(({ targets }) => targets), ...memory].filter((target) => !isMet(target));
  process.exitCode = missed.length === 0 ? 0 : 1;
}

async function runAll(options: BenchOptions): Promise<{ results: Result[]; memory: Target[] }> {
  const { scale, seed, nodeOptions } = options;
  const workloads = workloadsOf(options);
  const progress = new Progress(workloads.reduce((sum, workload) => sum + workload.rounds(scale), 0));
  progress.begin('Starting PostgreSQL, Redis and the service');
  const stage = await Stage.open(nodeOptions);
  try {
    const users = await makeUsers(USERS, [stage.client, stage.floorClient]);
    const api = await stage.service('api', { ROLE: 'api' });
    const floor = await stage.floor();
    const corpus = new Corpus(seed);
    const scene: Scene = { stage, scale, corpus, users, api, floor, onRound: () => progress.step() };
    await resetPeakRss(api.pid);
    const results: Result[] = [];
    let workerRss: number | null = null;
    const standby = new WarmWorker();
    for (const workload of workloads) {
      progress.begin(workload.title);
      const worker = await standby.standFor(workload, scene);
      if (worker !== null) {
        await resetPeakRss(worker.pid);
      }
      results.push(await workload.run(scene));
      if (worker !== null && workload.id === 'images-12mp') {
        workerRss = await peakRssMib(worker.pid);
      }
    }
    const apiRss = await peakRssMib(api.pid);
    return {
      results,
      memory: [
        ...(workerRss === null
          ? []
          : [atMost('Worker, peak RSS over the batch of 12 MP', workerRss, 350, 'MiB')]),
        ...(apiRss === null ? [] : [atMost('API, peak RSS under load', apiRss, 220, 'MiB')]),
      ],
    };
  } finally {
    bareSharp?.stop();
    progress.end();
    await stage.close();
  }
}

/** Started when the first image workload needs it, so that it takes no memory and no CPU before. */
let bareSharp: BareSharp | null = null;
const sharpFloor = (): BareSharp => (bareSharp ??= BareSharp.start());

/** Direct uploads come last: the jobs that they leave behind would be in the way of others. */
function workloadsOf({ only }: BenchOptions): Workload[] {
  const all = [
    requestUpload(16),
    requestUpload(64, true),
    requestAndPut,
    listNewest,
    listOfMany,
    farPage,
    quotaOfMany,
    gcsWithHmacKey,
    gcsWithRsaKey,
    gcsAgainstHttp,
    imageBatch('images-2mp', '2 MP', ({ photos2Mp }) => photos2Mp, sharpFloor),
    imageBatch('images-12mp', '12 MP', ({ photos12Mp }) => photos12Mp, sharpFloor),
    singleImage(sharpFloor),
    directUpload,
  ];
  const chosen = all.filter(({ id, onDemand }) => (only === null ? onDemand !== true : only.includes(id)));
  if (chosen.length === 0) {
    throw new Error(`There is: ${all.map(({ id }) => id).join(', ')}`);
  }
  return chosen;
}

// Whoever is broken off takes along what it has started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(1));
}
await main();
