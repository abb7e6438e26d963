import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../support/images.js';
import { operationsOf, type LocatedOperation } from '../support/openapi-document.js';
import { type Draft, impatient, shotOf, type Variation } from './api-draft.js';
import { honestDraft, variationsOf } from './api-drafts.js';
import type { Ground } from './api-ground.js';
import { parsed, Verdict } from './api-verdict.js';
import { exchange, type Exchange, type Shot } from './api-wire.js';
import { Dice } from './image-dice.js';

/** What `--seed` takes. */
const SEEDS = 1_000_000_000;
const MOST_MORE_VARIATIONS = 3;
/** Whoever has so many different flaws to mend need not wait for more. */
const MOST_REPORTS = 40;
const MOST_ROUNDS = 50;
const SHOWN_BYTES = 1500;

interface Mistake {
  readonly operation: LocatedOperation;
  readonly variation: Variation;
}

interface Attempt {
  readonly operation: LocatedOperation;
  readonly variations: readonly Variation[];
  readonly number: number;
  readonly shot: Shot;
  readonly result: Exchange;
  readonly flaws: readonly string[];
}

interface Bounds {
  readonly seconds: number;
  /** Instead of the seconds, unless it is 0. */
  readonly count: number;
  /** Requests under way at once. */
  readonly inFlight: number;
}

class Tally {
  requests = 0;
  unanswered = 0;
  flawed = 0;
  slowest = 0;
  readonly statuses = new Map<string, number>();
  readonly succeeded = new Set<string>();
  readonly variations = new Set<number>();
}

/** Sends requests that are wrong in one way or in several, and judges the answers. */
export class Fuzzer {
  readonly tally = new Tally();
  /** One for each kind of flaw, told by an example. */
  readonly reports: string[] = [];
  readonly warnings: string[] = [];
  private readonly mistakes: readonly Mistake[];
  private readonly byOperation: ReadonlyMap<LocatedOperation, readonly Mistake[]>;
  private readonly verdict: Verdict;
  private readonly known = new Set<string>();
  private folder: string | null = null;

  constructor(
    private readonly ground: Ground,
    private readonly seed: number,
  ) {
    this.verdict = new Verdict(ground);
    this.mistakes = shuffled(
      operationsOf(ground.contract.document).flatMap((operation) =>
        variationsOf(ground, operation).map((variation) => ({ operation, variation })),
      ),
    );
    this.byOperation = Map.groupBy(this.mistakes, ({ operation }) => operation);
  }

  /** In how many single ways a request can be wrong. */
  get variations(): number {
    return this.mistakes.length;
  }

  private readonly noteWarning = (warning: Error): void => {
    this.warnings.push(String(warning));
  };

  /** Goes on until time is up, or for as many cases as are asked for. */
  async run({ seconds, count, inFlight }: Bounds): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    let next = 0;
    const goOn = () =>
      (count > 0 ? next < count : Date.now() < deadline) && this.reports.length < MOST_REPORTS;
    const work = async () => {
      while (goOn()) {
        next += 1;
        await this.take((this.seed + next - 1) % SEEDS);
      }
    };
    process.on('warning', this.noteWarning);
    try {
      await Promise.all(Array.from({ length: inFlight }, work));
    } finally {
      process.off('warning', this.noteWarning);
    }
  }

  /**
   * Asks for every operation in a way with which nothing is wrong, until it is granted. What is never granted is
   * refused for a mistake of the fuzzer's own, and nothing behind that refusal would be tried.
   *
   * @returns the operations that were not granted
   */
  async introduce(): Promise<string[]> {
    const operations = [...this.byOperation.keys()];
    const missing = () => operations.filter(({ operationId }) => !this.tally.succeeded.has(operationId));
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      for (const operation of missing()) {
        await this.judge(await this.attempt(operation, [], this.seed + round));
      }
    }
    return missing().map(({ operationId }) => operationId);
  }

  /**
   * One case. Its number alone says what it is, so that a run of one case from this seed is the same case again;
   * numbers in a row go through all single mistakes, one after the other.
   */
  private async take(number: number): Promise<void> {
    const dice = new Dice(number);
    const index = number % this.mistakes.length;
    const mistake = this.mistakes[index];
    if (mistake === undefined) {
      throw new RangeError('There is nothing to be wrong');
    }
    const { operation, variation } = mistake;
    const others = this.byOperation.get(operation) ?? [];
    const more = dice.chance(0.5) ? dice.below(MOST_MORE_VARIATIONS + 1) : 0;
    const chosen = [variation, ...Array.from({ length: more }, () => dice.pick(others).variation)];
    this.tally.variations.add(index);
    await this.judge(await this.attempt(operation, chosen, number));
  }

  private async judge(attempt: Attempt): Promise<void> {
    const kind = `${attempt.operation.operationId} ${attempt.flaws.join()}`;
    this.tally.flawed += attempt.flaws.length > 0 ? 1 : 0;
    if (attempt.flaws.length > 0 && !this.known.has(kind)) {
      this.known.add(kind);
      await this.report(await this.simplest(attempt));
    }
  }

  private async attempt(
    operation: LocatedOperation,
    variations: readonly Variation[],
    number: number,
  ): Promise<Attempt> {
    const dice = new Dice(number);
    const honest = await honestDraft(this.ground, operation, dice);
    const draft = impatient(variations.reduce((varied, variation) => variation.apply(varied, dice), honest));
    const shot = shotOf(draft);
    const result = await exchange(this.ground.port, shot);
    this.count(operation, draft, result);
    return { operation, variations, number, shot, result, flaws: this.verdict.flawsOf(draft, shot, result) };
  }

  private count(operation: LocatedOperation, draft: Draft, { answers, milliseconds }: Exchange): void {
    this.tally.requests += 1;
    this.tally.slowest = Math.max(this.tally.slowest, milliseconds);
    this.tally.unanswered += answers.length === 0 ? 1 : 0;
    for (const { status, body } of answers) {
      this.tally.statuses.set(String(status), (this.tally.statuses.get(String(status)) ?? 0) + 1);
      if (status < 300 && draft.operation === operation) {
        this.tally.succeeded.add(operation.operationId);
        this.ground.learn(parsed(body));
      }
    }
  }

  /** The same with one mistake only, if that is answered wrongly in the same way. */
  private async simplest(found: Attempt): Promise<Attempt> {
    const { operation, variations, number } = found;
    for (const one of variations.length > 1 ? variations : []) {
      const attempt = await this.attempt(operation, [one], number);
      if (attempt.flaws.some((flaw) => found.flaws.includes(flaw))) {
        return attempt;
      }
    }
    return found;
  }

  private async report({ operation, variations, number, flaws, shot, result }: Attempt): Promise<void> {
    this.folder ??= await mkdtemp(join(tmpdir(), 'mediadock-api-fuzz-'));
    const file = join(this.folder, `${number}.http`);
    await writeFile(file, shot.bytes);
    const logged = this.ground.log.lines('', 'error').slice(-1);
    this.reports.push(
      [
        `${operation.operationId} with ${variations.map(({ name }) => name).join(' + ')}`,
        ...flaws.map((flaw) => `  - ${flaw}`),
        `  sent: ${shown(shot.bytes)}`,
        `  got: ${shown(result.received)} ${result.fault ?? ''}`,
        ...logged.map((line) => `  last of what was logged: ${line.slice(0, SHOWN_BYTES)}`),
        `  all bytes: ${file}; again: npm run fuzz:api -- --count 1 --seed ${number}`,
      ].join('\n'),
    );
  }
}

/** Always in the same order, so that it is the number of a case that says what it is. */
function shuffled(mistakes: readonly Mistake[]): Mistake[] {
  const random = seededRandom(1);
  return mistakes
    .map((mistake) => ({ mistake, at: random() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ mistake }) => mistake);
}

function shown(bytes: Buffer): string {
  const text = bytes.subarray(0, SHOWN_BYTES).toString('latin1');
  return `${JSON.stringify(text)}${bytes.length > SHOWN_BYTES ? ` … (${bytes.length} bytes)` : ''}`;
}
