import type { LoggerService } from '@nestjs/common';

export interface LogEntry {
  readonly level: 'log' | 'warn' | 'error' | 'debug';
  /** Everything that was given to the logger, as text. */
  readonly text: string;
}

/** A logger that keeps what was logged, for tests of what an operator gets to read. */
export class LogBook implements LoggerService {
  private entries: LogEntry[] = [];

  log(...parts: unknown[]): void {
    this.note('log', parts);
  }

  warn(...parts: unknown[]): void {
    this.note('warn', parts);
  }

  error(...parts: unknown[]): void {
    this.note('error', parts);
  }

  debug(...parts: unknown[]): void {
    this.note('debug', parts);
  }

  clear(): void {
    this.entries = [];
  }

  /** The text of all entries, or of those of one level, that have this in them. */
  lines(part: string | RegExp = '', level?: LogEntry['level']): string[] {
    return this.entries
      .filter((entry) => level === undefined || entry.level === level)
      .map(({ text }) => text)
      .filter((text) => (typeof part === 'string' ? text.includes(part) : part.test(text)));
  }

  private note(level: LogEntry['level'], parts: readonly unknown[]): void {
    this.entries.push({ level, text: parts.map((part) => asText(part)).join(' ') });
  }
}

/** As the real logger does it: an error with everything that hangs on it. */
function asText(part: unknown): string {
  if (typeof part === 'string') {
    return part;
  }
  return JSON.stringify(part, (_key, value: unknown) =>
    value instanceof Error ? Object.assign({ name: value.name, message: value.message }, value) : value,
  );
}
