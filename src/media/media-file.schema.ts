import { EntitySchema } from '@mikro-orm/core';
import type { MediaFileProperties } from './media-file.entity.js';

/**
 * The table `media_files`, as the ORM and its command line know it. Not the class `MediaFile` itself: the ORM
 * replaces every property of a class that it manages by a pair of functions, which costs a page of files more than its query.
 */
export const MediaFileSchema = new EntitySchema<Omit<MediaFileProperties, 'createdAtMicros'>>({
  name: 'MediaFile',
  tableName: 'media_files',
  checks: [
    {
      name: 'media_files_status_check',
      expression: "status in ('pending', 'processing', 'ready', 'failed')",
    },
    { name: 'media_files_media_type_check', expression: "media_type in ('image', 'video', 'audio')" },
    { name: 'media_files_file_size_check', expression: 'file_size > 0' },
  ],
  properties: {
    id: { primary: true, type: 'uuid' },
    userId: { type: 'uuid' },
    fileName: { type: 'text' },
    originalFileName: { type: 'text' },
    mimeType: { type: 'text' },
    fileSize: { type: 'bigint' },
    mediaType: { type: 'text' },
    storageKey: { type: 'text' },
    storageBucket: { type: 'text' },
    width: { type: 'integer', nullable: true },
    height: { type: 'integer', nullable: true },
    duration: { type: 'double', nullable: true },
    status: { type: 'text' },
    processingError: { type: 'text', nullable: true },
    contentHash: { type: 'text', nullable: true },
    directHash: { type: 'text', nullable: true },
    metadata: { type: 'json', nullable: true },
    createdAt: { type: 'datetime', length: 6, defaultRaw: 'now()' },
    processedAt: { type: 'datetime', length: 6, nullable: true },
    deletedAt: { type: 'datetime', length: 6, nullable: true },
    uploadExpiresAt: { type: 'datetime', length: 6 },
    purgedAt: { type: 'datetime', length: 6, nullable: true },
    reservationOpen: { type: 'boolean' },
    driveAfter: { type: 'datetime', length: 6, nullable: true },
    driveCount: { type: 'integer', default: 0 },
    timeoutCount: { type: 'integer', default: 0 },
    leftoversDueAt: { type: 'datetime', length: 6, nullable: true },
  },
});
