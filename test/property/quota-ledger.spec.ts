import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bursts } from './ledger/bursts.js';
import { LedgerRun } from './ledger/ledger-run.js';
import { PropertyUser } from './property-user.js';
import { PropertyRuns } from './property-runs.js';
import { Stage } from './stage.js';
import { witnessedDrift } from './witness.js';

/** Room for two or three of the pictures. */
const LIMIT = 1500;

describe('the quota ledger', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open({ QUOTA_BYTES: String(LIMIT) });
  });
  afterAll(async () => stage.close());

  const runs = new PropertyRuns('quota ledger', { count: 30, secondsPerRun: 10 });
  it(
    'is what the rows amount to at any time, and some order of the calls explains every answer',
    { timeout: runs.timeout },
    async () => {
      const ledger = { sizes: stage.pictures.map(({ bytes }) => bytes.length), limit: LIMIT };
      await runs.hold(
        fc.asyncProperty(bursts, async (sequence) => {
          await stage.idle();
          const { subject, userId } = await stage.newUser();
          const user = new PropertyUser(subject, userId, stage.pictures, () => stage.mediadock);
          await new LedgerRun(stage, user, ledger).play(sequence);
          expect(await witnessedDrift(stage.mediadock.database)).toEqual([]);
        }),
      );
    },
  );
});
