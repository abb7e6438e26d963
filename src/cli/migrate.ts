import 'reflect-metadata';
import { runCommand } from './command.js';
import { withDatabase } from './database-command.js';

/** Brings the schema up to date before new processes start, for installations that want this as a step of its own. */
await runCommand(async () => {
  // Opening the database migrates it, here as at every start.
  await withDatabase(async () => {
    process.stdout.write('The schema is up to date\n');
  });
});
