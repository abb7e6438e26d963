import { Injectable, type PipeTransform } from '@nestjs/common';
import { type FieldError, invalidField, invalidFields, ProblemError } from '../common/problem.js';
import { createValidationPipe, unknownField } from '../common/validation.js';
import { RequestUploadDto } from './dto/request-upload.dto.js';

export const MAX_BATCH_ITEMS = 100;

/** One item of a batch: what came, and what it asks for, or what is wrong with it. */
export interface BatchItem {
  readonly raw: unknown;
  readonly upload: RequestUploadDto | ProblemError;
}

/** Checks the envelope of a batch as a whole, and then each item for itself: one that is malformed harms no other. */
@Injectable()
export class BatchItemsPipe implements PipeTransform<unknown, Promise<BatchItem[]>> {
  private readonly itemPipe = createValidationPipe();

  /** @throws ProblemError `validation_failed`, when it is the envelope that is malformed */
  async transform(body: unknown): Promise<BatchItem[]> {
    return Promise.all(itemsOf(body).map((raw, index) => this.check(raw, index)));
  }

  private async check(raw: unknown, index: number): Promise<BatchItem> {
    try {
      if (!isObject(raw)) {
        throw invalidField(`items.${index}`, 'must be an object');
      }
      const upload: unknown = await this.itemPipe.transform(raw, {
        type: 'body',
        metatype: RequestUploadDto,
      });
      if (upload instanceof RequestUploadDto) {
        return { raw, upload };
      }
      throw new Error('The validation made something else of an item');
    } catch (error) {
      if (error instanceof ProblemError) {
        return { raw, upload: error };
      }
      throw error;
    }
  }
}

function itemsOf(body: unknown): unknown[] {
  const { items, ...others }: { items?: unknown } = isObject(body) ? body : {};
  const errors: FieldError[] = Object.keys(others).map(unknownField);
  if (Array.isArray(items) && items.length >= 1 && items.length <= MAX_BATCH_ITEMS && errors.length === 0) {
    return items;
  }
  if (!Array.isArray(items) || items.length < 1 || items.length > MAX_BATCH_ITEMS) {
    errors.push({
      field: 'items',
      message: `items must be a list of 1 to ${MAX_BATCH_ITEMS} upload requests`,
    });
  }
  throw invalidFields(errors);
}

/** How many requests a batch counts as. What is no batch is refused at once, and costs no more than any refusal. */
export function batchCost(body: unknown): number {
  const items = isObject(body) && 'items' in body ? body.items : null;
  return Array.isArray(items) && items.length <= MAX_BATCH_ITEMS ? Math.max(1, items.length) : 1;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
