import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { ProblemDto } from '../../common/openapi.js';
import type { ProblemBody } from '../../common/problem.filter.js';
import { MAX_BATCH_ITEMS } from '../batch-items.pipe.js';
import { RequestUploadDto } from './request-upload.dto.js';
import { DuplicateUploadDto, UploadTicketDto } from './upload-ticket.dto.js';

const ID = '01937d4e-0000-7000-8000-000000000000';
const KEY = `users/01937d4d-0000-7000-8000-000000000000/image/2026/11/${ID}.jpg`;

export class BatchUploadsDto {
  @ApiProperty({
    type: [RequestUploadDto],
    minItems: 1,
    maxItems: MAX_BATCH_ITEMS,
    example: [{ fileName: 'IMG_0042.jpg', mimeType: 'image/jpeg', fileSize: 2411724 }],
    description:
      'The uploads, each as it would be requested alone. An item that is malformed is answered with a `validation_failed` of its own.',
  })
  items!: RequestUploadDto[];
}

export class BatchTicketDto extends UploadTicketDto {
  @ApiProperty({
    type: 'integer',
    enum: [201],
    example: 201,
    description: 'What the request alone would have been answered with.',
  })
  status!: 201;
}

export class BatchDuplicateDto extends DuplicateUploadDto {
  @ApiProperty({
    type: 'integer',
    enum: [200],
    example: 200,
    description: 'What the request alone would have been answered with.',
  })
  status!: 200;
}

export type BatchItemDto = BatchTicketDto | BatchDuplicateDto | ProblemBody;

@ApiExtraModels(BatchTicketDto, BatchDuplicateDto, ProblemDto)
export class BatchAnswerDto {
  @ApiProperty({
    type: 'array',
    minItems: 1,
    maxItems: MAX_BATCH_ITEMS,
    items: {
      description:
        'By `status`: 201, put the bytes and confirm; 200, these bytes are there already; anything else, a problem.',
      example: problem('invalid_type', 415, 'This media type is not accepted', 'Accepted are image/jpeg'),
      oneOf: [BatchTicketDto, BatchDuplicateDto, ProblemDto].map((model) => ({ $ref: getSchemaPath(model) })),
    },
    example: [
      {
        status: 201,
        mediaFileId: ID,
        storageKey: KEY,
        uploadUrl: 'https://storage.googleapis.com/uploads/users/0199f0c2/a.jpg?X-Goog-Signature=5f7c8e',
        uploadMethod: 'PUT',
        uploadHeaders: {
          'content-type': 'image/jpeg',
          'x-goog-content-length-range': '2411724,2411724',
          'x-goog-if-generation-match': '0',
        },
        expiresAt: '2026-11-22T15:20:31.123Z',
      },
      problem(
        'quota_exceeded',
        403,
        'The storage quota is used up',
        '9000000 bytes do not fit: 1024 bytes are available',
      ),
    ],
    description: 'What became of each item, in the order of the request.',
  })
  items!: BatchItemDto[];
}

function problem(code: string, status: number, title: string, detail: string): object {
  const type = `urn:mediadock:problem:${code}`;
  return { status, type, title, detail, instance: '/v1/media/uploads/batch', code };
}
