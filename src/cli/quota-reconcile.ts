import 'reflect-metadata';
import { type QuotaDrift, QuotaReconciler } from '../quota/quota-reconciler.js';
import { readArguments, runCommand } from './command.js';
import { withDatabase } from './database-command.js';

const USAGE = 'Usage: npm run quota:reconcile [-- --dry-run]';

/** Compares every quota ledger with the rows that it stands for, and puts right what is off. */
await runCommand(async () => {
  const dryRun = readFlags();
  await withDatabase(async (context) => {
    const reconciler = context.get(QuotaReconciler, { strict: false });
    const drifts = await reconciler.findDrift();
    for (const drift of drifts) {
      process.stdout.write(`${describe(drift)}\n`);
      if (!dryRun) {
        await reconciler.repair(drift.userId);
      }
    }
    const verdict =
      drifts.length === 0 ? 'Every ledger agrees with its files' : `${drifts.length} ledgers were off`;
    process.stdout.write(
      `${verdict}${drifts.length > 0 ? (dryRun ? '; nothing was changed' : '; repaired') : ''}\n`,
    );
  });
});

function readFlags(): boolean {
  return readArguments(USAGE, { options: { 'dry-run': { type: 'boolean', default: false } } }).values[
    'dry-run'
  ];
}

function describe(drift: QuotaDrift): string {
  return (
    `user ${drift.userId}: used ${drift.usedBytes} bytes, files say ${drift.actualUsedBytes}; ` +
    `reserved ${drift.reservedBytes} bytes, files say ${drift.actualReservedBytes}`
  );
}
