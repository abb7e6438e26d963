import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { invalidField } from '../common/problem.js';
import type { DirectUpload } from './direct-upload.service.js';

const NOTHING = Buffer.alloc(0);

/**
 * The part `file` of a multipart body, which the interceptor has read into memory.
 *
 * The request does not keep the bytes. It outlives its answer: V8 moves it among the old objects, and what it refers to stays
 * until those are gone through. With the bytes, the whole heap had to be once a second under load (docs/benchmarks.md).
 *
 * @throws ProblemError `validation_failed` when there is none
 */
export const UploadedPart = createParamDecorator(
  (_data: unknown, context: ExecutionContext): DirectUpload => {
    const { file } = context.switchToHttp().getRequest<Request>();
    if (file === undefined) {
      throw invalidField('file', 'must be sent as a part of a multipart/form-data body');
    }
    const upload = { fileName: file.originalname, mimeType: file.mimetype, bytes: file.buffer };
    file.buffer = NOTHING;
    return upload;
  },
);
