import 'reflect-metadata';
import jwt from 'jsonwebtoken';
import { readEnvironment } from '../config/read-environment.js';
import { loadSecrets } from '../config/secrets.js';
import { isUsableSubject } from '../users/subject.js';
import { readArguments, runCommand, UsageError } from './command.js';

const USAGE = 'Usage: npm run --silent token -- <subject> [--ttl <seconds>]';
const DEFAULT_TTL_SECONDS = 24 * 60 * 60;

/** Prints a token for trying things out, signed with this installation's own secret. */
await runCommand(async () => {
  const { values, positionals } = readArguments(USAGE, {
    allowPositionals: true,
    options: { ttl: { type: 'string' } },
  });
  const [subject] = positionals;
  if (positionals.length !== 1 || !isUsableSubject(subject)) {
    throw new UsageError(USAGE);
  }
  const ttlSeconds = values.ttl === undefined ? DEFAULT_TTL_SECONDS : Number(values.ttl);
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1) {
    throw new UsageError(USAGE);
  }
  const config = readEnvironment();
  const { jwtSecret } = await loadSecrets(config);
  if (jwtSecret === null) {
    throw new UsageError('Tokens are issued elsewhere: this installation has only the key to verify them');
  }
  const token = jwt.sign({}, jwtSecret, {
    algorithm: 'HS256',
    subject,
    expiresIn: ttlSeconds,
    ...(config.auth.issuer === null ? {} : { issuer: config.auth.issuer }),
    ...(config.auth.audience === null ? {} : { audience: config.auth.audience }),
  });
  process.stdout.write(`${token}\n`);
});
