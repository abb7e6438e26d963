import { ApiParam } from '@nestjs/swagger';

/** Documents the path parameter that names a media file. */
export const ApiMediaFileId = (): MethodDecorator =>
  ApiParam({
    name: 'mediaFileId',
    format: 'uuid',
    example: '01937d4e-0000-7000-8000-000000000000',
    description: 'The id of a media file, as its upload request answered it.',
  });
