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
