import type { MediaType } from './media-types.js';

export const MEDIA_STATUSES = ['pending', 'processing', 'ready', 'failed'] as const;
export type MediaStatus = (typeof MEDIA_STATUSES)[number];

/** What was found out about an image while it was processed. */
export interface ImageMetadata {
  readonly format: string;
  readonly frames: number;
  readonly hasAlpha: boolean;
  /** ISO 8601 UTC. */
  readonly takenAt: string | null;
  /** Base64 of a ThumbHash. */
  readonly thumbHash: string;
}

/** A file's fields, without what it says about itself. */
export type MediaFileProperties = Omit<MediaFile, 'isLive' | 'isDiscarded' | 'isSettled'>;

/**
 * A file on its way `pending → processing → ready | failed`. Instances are read-only views of a row: a transition is
 * one conditional statement (`media-files.repository.ts`, `media-lifecycle.repository.ts`), and what it returns is
 * the new view. How the ORM knows the table is in `media-file.schema.ts`.
 */
export class MediaFile {
  readonly id: string;
  readonly userId: string;
  /** Ours: the id. */
  readonly fileName: string;
  /** The client's, sanitised. */
  readonly originalFileName: string;
  readonly mimeType: string;
  /** Bytes. */
  readonly fileSize: number;
  readonly mediaType: MediaType;
  readonly storageKey: string;
  readonly storageBucket: string;
  /** Pixels of the upright image. */
  readonly width: number | null;
  readonly height: number | null;
  /** Seconds. */
  readonly duration: number | null;
  readonly status: MediaStatus;
  readonly processingError: string | null;
  /** Sha-256 in hex, as we measured it. */
  readonly contentHash: string | null;
  /** Set on direct uploads, from the start: the unique index over it lets one of several at once win. */
  readonly directHash: string | null;
  readonly metadata: ImageMetadata | null;
  readonly createdAt: Date;
  /** When it became `ready` or `failed`. */
  readonly processedAt: Date | null;
  readonly deletedAt: Date | null;
  /** Until then the bytes may arrive and be confirmed. */
  readonly uploadExpiresAt: Date;
  /** When the bytes of a deleted or failed file were removed. */
  readonly purgedAt: Date | null;
  /** True while `fileSize` counts as reserved in the owner's ledger. */
  readonly reservationOpen: boolean;
  /** When the sweeper may drive the unfinished work on this file again; null when there is none. */
  readonly driveAfter: Date | null;
  readonly driveCount: number;
  /** Attempts in a row that ran out of time. */
  readonly timeoutCount: number;
  /** When the sweeper looks once more for objects that a late writer left behind; null when it has. */
  readonly leftoversDueAt: Date | null;
  /** The order key at full precision; see `CursorPosition`. Not a column of its own. */
  readonly createdAtMicros: bigint;

  /** One assignment after the other: a page of files is made of these, and nothing else is as fast. */
  constructor(properties: MediaFileProperties) {
    this.id = properties.id;
    this.userId = properties.userId;
    this.fileName = properties.fileName;
    this.originalFileName = properties.originalFileName;
    this.mimeType = properties.mimeType;
    this.fileSize = properties.fileSize;
    this.mediaType = properties.mediaType;
    this.storageKey = properties.storageKey;
    this.storageBucket = properties.storageBucket;
    this.width = properties.width;
    this.height = properties.height;
    this.duration = properties.duration;
    this.status = properties.status;
    this.processingError = properties.processingError;
    this.contentHash = properties.contentHash;
    this.directHash = properties.directHash;
    this.metadata = properties.metadata;
    this.createdAt = properties.createdAt;
    this.processedAt = properties.processedAt;
    this.deletedAt = properties.deletedAt;
    this.uploadExpiresAt = properties.uploadExpiresAt;
    this.purgedAt = properties.purgedAt;
    this.reservationOpen = properties.reservationOpen;
    this.driveAfter = properties.driveAfter;
    this.driveCount = properties.driveCount;
    this.timeoutCount = properties.timeoutCount;
    this.leftoversDueAt = properties.leftoversDueAt;
    this.createdAtMicros = properties.createdAtMicros;
  }

  /** Verified, and neither failed nor deleted: it counts, and can be read. */
  get isLive(): boolean {
    return this.deletedAt === null && (this.status === 'processing' || this.status === 'ready');
  }

  /** Nothing more is going to become of it. */
  get isSettled(): boolean {
    return this.deletedAt !== null || this.status === 'ready' || this.status === 'failed';
  }

  /** Its bytes are to be removed, in every area. */
  get isDiscarded(): boolean {
    return this.deletedAt !== null || this.status === 'failed';
  }
}
