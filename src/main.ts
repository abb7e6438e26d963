import './thread-pool.js';
import 'reflect-metadata';
import { ConfigError } from './config/parse-environment.js';
import { startServer } from './server.js';

try {
  await startServer();
} catch (error) {
  // Before the logger is up there is only the terminal; a person reads this.
  const text =
    error instanceof ConfigError
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`Mediadock could not start. ${text}\n`);
  process.exit(1);
}
