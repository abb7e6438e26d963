import { existsSync } from 'node:fs';
import type { AppConfig } from './app-config.js';
import { parseEnvironment } from './parse-environment.js';

/**
 * The configuration of this process: its environment, completed from `.env` in the working folder.
 * Variables that are set win over the file, as everywhere.
 *
 * @throws ConfigError with all mistakes at once
 */
export function readEnvironment(): AppConfig {
  if (existsSync('.env')) {
    process.loadEnvFile('.env');
  }
  return parseEnvironment(process.env);
}
