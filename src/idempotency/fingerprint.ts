import { createHash } from 'node:crypto';

/** What two requests to the same route must have in common to be the same request. */
export function fingerprint(route: string, body: unknown): Buffer {
  return createHash('sha256')
    .update(`${route}\n${canonicalJson(body)}`)
    .digest();
}

/**
 * JSON with the members of every object in one order, and without those that are undefined. A loop instead of
 * recursion: what clients nest may be deeper than the stack.
 */
export function canonicalJson(root: unknown): string {
  const parts: string[] = [];
  const todo: Step[] = [{ value: root }];
  for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
    if (typeof step === 'string') {
      parts.push(step);
    } else if (typeof step.value === 'object' && step.value !== null) {
      for (const next of stepsOf(step.value).toReversed()) {
        todo.push(next);
      }
    } else {
      parts.push(JSON.stringify(step.value) ?? 'null');
    }
  }
  return parts.join('');
}

/** A piece of the text, or a value that is still to be written. */
type Step = string | { readonly value: unknown };

function stepsOf(value: object): Step[] {
  if (Array.isArray(value)) {
    return ['[', ...separated(value.map((item: unknown) => [{ value: item }])), ']'];
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]): Step[] => [`${JSON.stringify(name)}:`, { value: member }]);
  return ['{', ...separated(members), '}'];
}

function separated(groups: readonly Step[][]): Step[] {
  return groups.flatMap((group, index) => (index === 0 ? group : [',', ...group]));
}
