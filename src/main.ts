import './thread-pool.js';
import 'reflect-metadata';
import { ConfigError } from './config/parse-environment.js';
import { readEnvironment } from './config/read-environment.js';

try {
  const config = readEnvironment();
  // Loaded after that: a mistake in the configuration is told at once, and not after the second that all of it takes.
  const { startServer } = await import('./server.js');
  await startServer(config);
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
