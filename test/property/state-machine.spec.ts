import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MachineRun, type Seen } from './machine/machine-run.js';
import { rounds } from './machine/rounds.js';
import { TRANSITIONS } from './machine/rules.js';
import { PropertyRuns } from './property-runs.js';
import { PropertyUser } from './property-user.js';
import { Stage } from './stage.js';
import { witnessedDrift } from './witness.js';

/** Enough for some files, so that refusals are there without being all there is. */
const LIMIT = 4000;

describe('the state machine of a media file', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open({ QUOTA_BYTES: String(LIMIT) });
  });
  afterAll(async () => stage.close());

  const runs = new PropertyRuns('state machine', { count: 40, secondsPerRun: 10 });
  it(
    'makes only the transitions there are, and answers each call as the state of the file says',
    { timeout: runs.timeout },
    async () => {
      const seen: Seen = new Set();
      let lastStep = 0;
      await runs.hold(
        fc.asyncProperty(rounds, async (sequence) => {
          await stage.idle();
          const users = [await stage.newUser(), await stage.newUser(), { subject: null, userId: '' }];
          const people = users.map(
            ({ subject, userId }) => new PropertyUser(subject, userId, stage.pictures, () => stage.mediadock),
          );
          lastStep = await new MachineRun(stage, people, seen, lastStep).play(sequence);
          expect(await witnessedDrift(stage.mediadock.database)).toEqual([]);
        }),
        () => ({ 'different transitions seen': `${seen.size} of ${TRANSITIONS.length}` }),
      );
    },
  );
});
