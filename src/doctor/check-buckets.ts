import type { AppConfig } from '../config/app-config.js';
import { type Finding, ok, problem, reasonOf } from './finding.js';

const CHECK = 'buckets';
const REMEDY = 'Run "npm run storage:setup"';

/** Both buckets are as they have to be: access, the one-day rule, and CORS for the very headers that we sign. */
export async function checkBuckets(config: AppConfig): Promise<Finding[]> {
  const { setUpBuckets } = await import('../storage/gcs/bucket-setup.js');
  try {
    const findings: Finding[] = [];
    for await (const sentence of setUpBuckets(config, { location: null, dryRun: true })) {
      findings.push(sentence.includes(': to do: ') ? problem(CHECK, sentence, REMEDY) : ok(CHECK, sentence));
    }
    return findings;
  } catch (error) {
    return [
      problem(
        CHECK,
        `They cannot be looked at: ${reasonOf(error)}`,
        'Check the credentials and their permissions',
      ),
    ];
  }
}
