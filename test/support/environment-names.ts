import { getMetadataStorage } from 'class-validator';
import { Environment } from '../../src/config/environment.js';

/** Those of these variables that the process would not read: it ignores what it does not know. */
export function unknownVariables(names: readonly string[]): string[] {
  const known = new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(Environment, '', false, false)
      .map(({ propertyName }) => propertyName),
  );
  return names.filter((name) => !known.has(name));
}
