import { PROBLEMS } from '../../src/common/problem.js';
import type { ProblemBody } from '../../src/common/problem.filter.js';
import type { Answer } from './api-client.js';

export const PROBLEM_JSON = 'application/problem+json';

/** The media type of an answer's body, without parameters. */
export function mediaTypeOf({ headers }: Answer<unknown>): string | null {
  return headers.get('content-type')?.split(';', 1)[0] ?? null;
}

/**
 * The problem that an answer carries.
 *
 * @throws when the answer is anything but `application/problem+json` with all members and a code of the catalogue
 */
export function problemOf(answer: Answer<unknown>): ProblemBody {
  const { status, body } = answer;
  if (mediaTypeOf(answer) !== PROBLEM_JSON || !isProblem(body)) {
    throw new Error(`${status} ${mediaTypeOf(answer)} is no problem: ${JSON.stringify(body).slice(0, 500)}`);
  }
  return body;
}

/** The status and the code of an answer that is a problem; what most tests of refusals want to know. */
export function refusalOf(answer: Answer<unknown>): string {
  return `${answer.status} ${problemOf(answer).code}`;
}

function isProblem(body: unknown): body is ProblemBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    ['type', 'title', 'detail', 'instance'].every(
      (member) => typeof Reflect.get(body, member) === 'string',
    ) &&
    typeof Reflect.get(body, 'status') === 'number' &&
    Object.hasOwn(PROBLEMS, String(Reflect.get(body, 'code'))) &&
    saysWhere(Reflect.get(body, 'code'), Reflect.get(body, 'errors'))
  );
}

/** A request that is not valid is never refused without saying where. */
function saysWhere(code: unknown, errors: unknown): boolean {
  return code === 'validation_failed' ? Array.isArray(errors) && errors.length > 0 : errors === undefined;
}
