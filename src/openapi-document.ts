import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `
Uploads for your application: signed URLs, verification, thumbnails in the background, quota per user, deduplication.

1. \`POST /v1/media/uploads\` with name, type and size: you get a signed URL.
2. \`PUT\` the bytes there, with exactly the headers of the answer.
3. \`POST /v1/media/{mediaFileId}/confirm\`: what has arrived is measured.
4. \`GET /v1/media/{mediaFileId}?waitFor=ready\` until \`status\` is \`ready\` or \`failed\`: when it is \`ready\`, thumbnails,
   size and placeholder are there; when it is \`failed\`, \`processingError\` says why.

Every error is \`application/problem+json\` (RFC 9457); program against its \`code\`, which never changes.
A JSON body may have up to 64 kB, that of a batch up to 256 kB; what is larger is \`validation_failed\`.
All times are ISO 8601 in UTC, all sizes in bytes, all ids UUIDv7.
`;

/** The document that integrators read; the same at \`/docs-json\` and from \`npm run openapi\`. */
export function buildOpenApi(app: INestApplication): OpenAPIObject {
  const options = new DocumentBuilder()
    .setTitle('Mediadock')
    .setDescription(DESCRIPTION.trim())
    .setVersion('1')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: 'A JWT of your identity provider; its `sub` is the user.',
    })
    .addTag('uploads', 'From a file on the client to a media file.')
    .addTag('media', 'Look, list, delete.')
    .addTag('quota', 'How much is used, and how much is left.')
    .addTag(
      'storage',
      'Where signed URLs lead when files are kept on the local disk. Clients follow these URLs, they never build them.',
    )
    .addTag('operations', 'Health and figures, for whoever runs this.')
    .build();
  return SwaggerModule.createDocument(app, options, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
}
