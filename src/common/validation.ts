import { type ArgumentMetadata, Injectable, type PipeTransform, ValidationPipe } from '@nestjs/common';
import { isUUID, type ValidationError } from 'class-validator';
import { type FieldError, invalidField, invalidFields, invalidPart } from './problem.js';

/** Checks bodies and queries against their DTO: unknown fields are errors, types are never guessed. */
export function createValidationPipe(): ValidationPipe {
  return new BodyPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    stopAtFirstError: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => invalidFields(flatten(errors)),
  });
}

/**
 * The transformer recurses, and so ends at the depth of the stack; and it passes over what is named like a member of every
 * object (`toString`, `__proto__`), so that nobody would call it unknown.
 */
class BodyPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    requireNoInheritedNames(value);
    try {
      return await super.transform(value, metadata);
    } catch (error) {
      if (error instanceof RangeError) {
        throw invalidPart('body', 'The body is nested too deeply', { cause: error });
      }
      throw error;
    }
  }
}

/** @throws ProblemError `validation_failed`, as for any other unknown field */
function requireNoInheritedNames(value: unknown): void {
  const fields = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const errors = fields.filter((field) => field in Object.prototype).map(unknownField);
  if (errors.length > 0) {
    throw invalidFields(errors);
  }
}

/** In the words of class-validator. */
export function unknownField(field: string): FieldError {
  return { field, message: `property ${field} should not exist` };
}

function flatten(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap((error) => {
    const field = `${parent}${error.property}`;
    const own = Object.values(error.constraints ?? {}).map((message) => ({ field, message }));
    return [...own, ...flatten(error.children ?? [], `${field}.`)];
  });
}

/** An id in a path: any UUID may be asked for, anything else is no id at all. */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  transform(value: string, metadata: ArgumentMetadata): string {
    if (!isUUID(value, 'all')) {
      throw invalidField(metadata.data ?? 'id', 'must be a UUID');
    }
    return value.toLowerCase();
  }
}
