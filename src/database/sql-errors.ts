import { hasErrorCode } from '../common/error-code.js';

/** SQLSTATE of a unique violation (PostgreSQL manual, appendix A). */
const UNIQUE_VIOLATION = '23505';

/** True when a statement failed because it would have doubled a key of that constraint or unique index. */
export function violatesUnique(error: unknown, constraint: string): boolean {
  return (
    hasErrorCode(error, UNIQUE_VIOLATION) &&
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === constraint
  );
}

/** Data exception, and integrity constraint violation: the classes of SQLSTATEs that blame what the statement was given. */
const ABOUT_VALUES = new Set(['22', '23']);

/** True when a statement failed for one of its values; another one would not have to. */
export function isAboutValues(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ABOUT_VALUES.has(String(error.code).slice(0, 2));
}
