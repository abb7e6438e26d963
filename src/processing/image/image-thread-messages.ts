import type { ImageLimits, ProcessedImage } from './image-pipeline.js';
import { PermanentFault, ProcessingTimeout, type ProcessingErrorCode } from './processing-fault.js';

/** Given to the thread when it starts. */
export type ThreadOptions = ImageLimits;

/** An image for the thread. Its bytes are handed over, not copied. */
export interface ImageOrder {
  readonly id: number;
  readonly bytes: ArrayBuffer;
  readonly mimeType: string;
}

/** What has become of it. */
export type ImageReport = { readonly id: number } & (
  { readonly image: ProcessedImage } | { readonly failure: ImageFailure }
);

/** An error as it passes between threads, which keeps neither its class nor its members. */
export type ImageFailure =
  | { readonly kind: 'fault'; readonly code: ProcessingErrorCode; readonly message: string }
  | { readonly kind: 'timeout'; readonly message: string }
  | { readonly kind: 'error'; readonly message: string; readonly stack: string | undefined };

export function failureOf(error: unknown): ImageFailure {
  if (error instanceof PermanentFault) {
    return { kind: 'fault', code: error.code, message: error.message };
  }
  if (error instanceof ProcessingTimeout) {
    return { kind: 'timeout', message: error.message };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'error', message, stack };
}

export function errorOf(failure: ImageFailure): Error {
  switch (failure.kind) {
    case 'fault':
      return new PermanentFault(failure.code, failure.message);
    case 'timeout':
      return new ProcessingTimeout(failure.message);
    case 'error':
      return Object.assign(new Error(failure.message), { stack: failure.stack });
  }
}
