import { ApiProperty } from '@nestjs/swagger';
import { MediaFileDto } from './media-file.dto.js';

/** Leave to put one file, once, within a window. */
export class UploadTicketDto {
  @ApiProperty({
    format: 'uuid',
    example: '01937d4e-0000-7000-8000-000000000000',
    description: 'The file’s id; confirm with it.',
  })
  mediaFileId!: string;

  @ApiProperty({
    example:
      'users/01937d4d-0000-7000-8000-000000000000/image/2026/11/01937d4e-0000-7000-8000-000000000000.jpg',
    description: 'Where the bytes will be stored.',
  })
  storageKey!: string;

  @ApiProperty({
    format: 'uri',
    example: 'https://storage.googleapis.com/uploads/users/0199f0c2/a.jpg?X-Goog-Signature=5f7c8e',
    description: 'PUT the bytes here, without a bearer token.',
  })
  uploadUrl!: string;

  @ApiProperty({ enum: ['PUT'], example: 'PUT', description: 'The only method that the URL takes.' })
  uploadMethod!: 'PUT';

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: {
      'content-type': 'image/jpeg',
      'x-goog-content-length-range': '2411724,2411724',
      'x-goog-if-generation-match': '0',
    },
    description: 'Send all of these with the PUT, exactly as they are: they are part of the signature.',
  })
  uploadHeaders!: Record<string, string>;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-22T15:20:31.123Z',
    description: 'Put and confirm before then.',
  })
  expiresAt!: string;
}

/** The answer when the user has these very bytes already. */
export class DuplicateUploadDto {
  @ApiProperty({ enum: [true], example: true, description: 'Always true.' })
  duplicate!: true;

  @ApiProperty({ type: MediaFileDto, description: 'The file that has these bytes.' })
  mediaFile!: MediaFileDto;
}
