import { ApiProperty } from '@nestjs/swagger';
import {
  type ImageMetadata,
  MEDIA_STATUSES,
  type MediaFile,
  type MediaStatus,
} from '../media-file.entity.js';
import { MEDIA_TYPES, type MediaType } from '../media-types.js';

const ID = '01937d4e-0000-7000-8000-000000000000';
const USER = '01937d4d-0000-7000-8000-000000000000';
const KEY = `users/${USER}/image/2026/11/${ID}`;

export class ImageMetadataDto implements ImageMetadata {
  @ApiProperty({
    enum: ['jpeg', 'png', 'gif', 'webp'],
    example: 'jpeg',
    description: 'The format that the bytes really have.',
  })
  format!: string;

  @ApiProperty({ type: 'integer', example: 1, description: 'Frames; more than 1 for an animation.' })
  frames!: number;

  @ApiProperty({ example: false, description: 'Whether the image has a transparency channel.' })
  hasAlpha!: boolean;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: '2026-08-01T10:30:00.000Z',
    description: 'When the picture was taken, from its EXIF data; a time without a zone is taken as UTC.',
  })
  takenAt!: string | null;

  @ApiProperty({
    example: '1QcSHQRnh493V4dIh4eXh1h4kJUI',
    description:
      'A ThumbHash in Base64: some 25 bytes from which a client draws a blurred placeholder while loading.',
  })
  thumbHash!: string;
}

/** The URLs of a file, for whoever asks now. */
export interface MediaUrls {
  readonly publicUrl: string | null;
  readonly thumbnailUrl: string | null;
  readonly mediumUrl: string | null;
}

export class MediaFileDto {
  @ApiProperty({ format: 'uuid', example: ID, description: 'UUIDv7 of the file.' })
  id: string;

  @ApiProperty({ format: 'uuid', example: USER, description: 'UUIDv7 of the owner’s profile.' })
  userId: string;

  @ApiProperty({ example: ID, description: 'The name that the file is stored under: its id.' })
  fileName: string;

  @ApiProperty({ example: 'img_0042.jpg', description: 'The client’s name, made safe to show.' })
  originalFileName: string;

  @ApiProperty({ example: 'image/jpeg', description: 'Declared by the client, verified by us.' })
  mimeType: string;

  @ApiProperty({ type: 'integer', format: 'int64', example: 2411724, description: 'Bytes.' })
  fileSize: number;

  @ApiProperty({ enum: MEDIA_TYPES, example: 'image', description: 'The kind of file.' })
  mediaType: MediaType;

  @ApiProperty({ example: `${KEY}.jpg`, description: 'The key of the original in object storage.' })
  storageKey: string;

  @ApiProperty({ example: 'media', description: 'The bucket of verified files.' })
  storageBucket: string;

  @ApiProperty({
    type: 'string',
    format: 'uri',
    nullable: true,
    example: `http://127.0.0.1:3000/v1/storage/media/${KEY}.jpg`,
    description: 'The original; from `processing` on. Short-lived when storage is private.',
  })
  publicUrl: string | null;

  @ApiProperty({
    type: 'string',
    format: 'uri',
    nullable: true,
    example: `http://127.0.0.1:3000/v1/storage/media/${KEY}_thumbnail.webp`,
    description: 'WebP, at most 200×200, cut to fill; from `ready` on.',
  })
  thumbnailUrl: string | null;

  @ApiProperty({
    type: 'string',
    format: 'uri',
    nullable: true,
    example: `http://127.0.0.1:3000/v1/storage/media/${KEY}_medium.webp`,
    description: 'WebP, at most 800 pixels wide; from `ready` on.',
  })
  mediumUrl: string | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 4000,
    description: 'Pixels of the upright image; from `ready` on.',
  })
  width: number | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 3000,
    description: 'Pixels of the upright image; from `ready` on.',
  })
  height: number | null;

  @ApiProperty({
    type: 'number',
    nullable: true,
    example: null,
    description: 'Seconds, for video and audio; null for an image.',
  })
  duration: number | null;

  @ApiProperty({ enum: MEDIA_STATUSES, example: 'ready', description: 'Where the file is on its way.' })
  status: MediaStatus;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: null,
    description:
      'Why the file failed: `type_mismatch`, `truncated`, `unreadable`, `too_many_pixels`, `too_many_frames`, `processing_timeout`, `size_mismatch` or `upload_expired`.',
  })
  processingError: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    description:
      'Sha-256 of the original in hex, measured by us; from `ready` on, on the direct route at once.',
  })
  contentHash: string | null;

  @ApiProperty({
    type: ImageMetadataDto,
    nullable: true,
    description: 'What was found in the image; from `ready` on.',
  })
  metadata: ImageMetadataDto | null;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-22T15:05:31.123Z',
    description: 'When the upload was requested.',
  })
  createdAt: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: '2026-11-22T15:05:33.456Z',
    description: 'When it became `ready` or `failed`.',
  })
  processedAt: string | null;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'Deleted files are not shown, so this is null.',
  })
  deletedAt: string | null;

  constructor(file: MediaFile, urls: MediaUrls) {
    this.id = file.id;
    this.userId = file.userId;
    this.fileName = file.fileName;
    this.originalFileName = file.originalFileName;
    this.mimeType = file.mimeType;
    this.fileSize = file.fileSize;
    this.mediaType = file.mediaType;
    this.storageKey = file.storageKey;
    this.storageBucket = file.storageBucket;
    this.publicUrl = urls.publicUrl;
    this.thumbnailUrl = urls.thumbnailUrl;
    this.mediumUrl = urls.mediumUrl;
    this.width = file.width;
    this.height = file.height;
    this.duration = file.duration;
    this.status = file.status;
    this.processingError = file.processingError;
    this.contentHash = file.contentHash;
    this.metadata = file.metadata;
    this.createdAt = file.createdAt.toISOString();
    this.processedAt = file.processedAt?.toISOString() ?? null;
    this.deletedAt = file.deletedAt?.toISOString() ?? null;
  }
}

export class MediaPageDto {
  @ApiProperty({ type: [MediaFileDto], description: 'Newest first.' })
  items!: MediaFileDto[];

  @ApiProperty({ example: true, description: 'Whether there is another page.' })
  hasMore!: boolean;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'AQAGRC3b1mxAAZN9Tl8AcAC2Kxk2q9Yw8ZbX4dQK',
    description: 'Send it as `cursor` for the next page; null on the last one.',
  })
  nextCursor!: string | null;
}
