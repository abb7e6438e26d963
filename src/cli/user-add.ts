import 'reflect-metadata';
import { isUsableSubject } from '../users/subject.js';
import { UsersService } from '../users/users.service.js';
import { runCommand, UsageError } from './command.js';
import { withDatabase } from './database-command.js';

/** Adds the profile of a subject, for installations with `USER_PROVISIONING=manual`. */
await runCommand(async () => {
  const [subject, ...rest] = process.argv.slice(2);
  if (!isUsableSubject(subject) || rest.length > 0) {
    throw new UsageError('Usage: npm run --silent user:add -- <subject>');
  }
  await withDatabase(async (context) => {
    const { id, created } = await context.get(UsersService, { strict: false }).add(subject);
    process.stdout.write(`${created ? 'Added' : 'Was there already'}: ${subject} has the profile ${id}\n`);
  });
});
