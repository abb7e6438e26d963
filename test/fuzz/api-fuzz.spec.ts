import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/api-client.js';
import { printFigures, runOptions } from '../support/run-options.js';
import { operationsOf } from '../support/openapi-document.js';
import { untilWaiting } from '../support/waiting.js';
import { Ground } from './api-ground.js';
import { Fuzzer } from './api-fuzzer.js';

const { seconds, count, seed } = runOptions({ seconds: 9 });
/** Requests under way at once. */
const IN_FLIGHT = 6;

describe('the API, given requests that no honest client sends', () => {
  let ground: Ground;
  let fuzzer: Fuzzer;

  beforeAll(async () => {
    ground = await Ground.start();
    fuzzer = new Fuzzer(ground, seed);
  });

  afterAll(async () => {
    const { tally } = fuzzer;
    printFigures(`API fuzzer, seed ${seed}`, {
      requests: tally.requests,
      'operations covered': `${tally.succeeded.size} of ${operationsOf(ground.contract.document).length}`,
      'single mistakes tried': `${tally.variations.size} of ${fuzzer.variations}`,
      ...Object.fromEntries(
        [...tally.statuses]
          .toSorted(([one], [other]) => one.localeCompare(other))
          .map(([status, times]) => [`answers ${status}`, times]),
      ),
      'answers 5xx': [...tally.statuses]
        .filter(([status]) => status.startsWith('5'))
        .reduce((sum, [, times]) => sum + times, 0),
      'no answer (cut off by us)': tally.unanswered,
      'slowest ms': Math.round(tally.slowest),
      'answered wrongly': tally.flawed,
      'to repeat': `npm run fuzz:api -- --seconds ${seconds} --seed ${seed}`,
    });
    await ground.mediadock.close();
  });

  it('grants every operation that it documents, as long as nothing is wrong', async () => {
    expect(await fuzzer.introduce()).toEqual([]);
    expect(fuzzer.reports.join('\n\n')).toBe('');
  });

  it(
    'answers each of them as documented, or refuses it with a problem, and never fails',
    { timeout: seconds * 1000 + 180_000 },
    async () => {
      await fuzzer.run({ seconds, count, inFlight: IN_FLIGHT });
      expect(fuzzer.reports.join('\n\n')).toBe('');
    },
  );

  it('has logged no error, and is ready', async () => {
    // What is wrong with a refusal to be ready, its answer shows.
    expect(ground.log.lines(/^(?!Health Check has failed)/, 'error')).toEqual([]);
    expect(fuzzer.warnings).toEqual([]);
    await until(async () => {
      const { status } = await ground.client.send('GET', '/health/ready');
      return status === 200 ? true : null;
    }, 'it to be ready');
  });

  it('has changed nothing that all objects share', () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('comes to rest, with a ledger that says what the rows say', { timeout: 150_000 }, async () => {
    await ground.rest();
    expect(await ground.drift()).toEqual([]);
  });

  it('keeps no request waiting whose client has gone away', async () => {
    await expect(untilWaiting(ground.mediadock, 0)).resolves.toBeUndefined();
  });

  it('has left no object without a row, and no temporary file', async () => {
    expect(await ground.strays()).toEqual([]);
  });

  it('has not touched what belongs to somebody else', async () => {
    const { before, after } = await ground.canarysLosses();
    expect(after).toBe(before);
  });
});
