import 'reflect-metadata';
import { isUsableSubject } from '../users/subject.js';
import { UsersService } from '../users/users.service.js';
import { readArguments, runCommand, UsageError } from './command.js';
import { withDatabase } from './database-command.js';

const USAGE = 'Usage: npm run --silent user:add -- <subject>';

/** Adds the profile of a subject, for installations with `USER_PROVISIONING=manual`. */
await runCommand(async () => {
  const [subject, ...rest] = readSubjects();
  if (!isUsableSubject(subject) || rest.length > 0) {
    throw new UsageError(USAGE);
  }
  await withDatabase(async (context) => {
    const { id, created } = await context.get(UsersService, { strict: false }).add(subject);
    process.stdout.write(`${created ? 'Added' : 'Was there already'}: ${subject} has the profile ${id}\n`);
  });
});

/** A profile cannot be taken back, so what looks like an option is none: a subject that begins with a dash comes after `--`. */
function readSubjects(): string[] {
  return readArguments(USAGE, { allowPositionals: true }).positionals;
}
