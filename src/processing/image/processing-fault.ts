/** The stable codes a failed file carries in `processingError`. */
export type ProcessingErrorCode =
  | 'type_mismatch'
  | 'truncated'
  | 'unreadable'
  | 'too_many_pixels'
  | 'too_many_frames'
  | 'processing_timeout'
  | 'size_mismatch'
  | 'upload_expired';

/** The file itself is at fault: no retry can help. The message is for logs, the code for clients. */
export class PermanentFault extends Error {
  override readonly name = 'PermanentFault';

  constructor(
    readonly code: ProcessingErrorCode,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options);
  }
}

/**
 * Processing took longer than it may. The file or a busy machine can be the reason, so the caller decides
 * after how many attempts this counts as the file's fault.
 */
export class ProcessingTimeout extends Error {
  override readonly name = 'ProcessingTimeout';
}
