import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { invalidField } from '../common/problem.js';
import { DirectUpload } from './direct-upload.service.js';

const NOTHING = Buffer.alloc(0);

/**
 * The part `file` of a multipart body, which the interceptor has read into memory. The request does not keep the bytes
 * (`DirectUpload.letGo`).
 *
 * @throws ProblemError `validation_failed` when there is none
 */
export const UploadedPart = createParamDecorator(
  (_data: unknown, context: ExecutionContext): DirectUpload => {
    const { file } = context.switchToHttp().getRequest<Request>();
    if (file === undefined) {
      throw invalidField('file', 'must be sent as a part of a multipart/form-data body');
    }
    const upload = new DirectUpload(file.originalname, file.mimetype, file.buffer);
    file.buffer = NOTHING;
    return upload;
  },
);
