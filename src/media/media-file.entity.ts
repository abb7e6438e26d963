import { Check, Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
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

/**
 * A file on its way `pending → processing → ready | failed`. Instances are read-only views of a row: a transition is
 * one conditional statement (`media-files.repository.ts`, `media-lifecycle.repository.ts`), and what it returns is
 * the new view.
 */
@Entity({ tableName: 'media_files' })
@Check({
  name: 'media_files_status_check',
  expression: "status in ('pending', 'processing', 'ready', 'failed')",
})
@Check({ name: 'media_files_media_type_check', expression: "media_type in ('image', 'video', 'audio')" })
@Check({ name: 'media_files_file_size_check', expression: 'file_size > 0' })
export class MediaFile {
  @PrimaryKey({ type: 'uuid' })
  readonly id!: string;

  @Property({ type: 'uuid' })
  readonly userId!: string;

  /** Ours: the id. */
  @Property({ type: 'text' })
  readonly fileName!: string;

  /** The client's, sanitised. */
  @Property({ type: 'text' })
  readonly originalFileName!: string;

  @Property({ type: 'text' })
  readonly mimeType!: string;

  /** Bytes. */
  @Property({ type: 'bigint' })
  readonly fileSize!: number;

  @Property({ type: 'text' })
  readonly mediaType!: MediaType;

  @Property({ type: 'text' })
  readonly storageKey!: string;

  @Property({ type: 'text' })
  readonly storageBucket!: string;

  /** Pixels of the upright image. */
  @Property({ type: 'integer', nullable: true })
  readonly width!: number | null;

  @Property({ type: 'integer', nullable: true })
  readonly height!: number | null;

  /** Seconds. */
  @Property({ type: 'double', nullable: true })
  readonly duration!: number | null;

  @Property({ type: 'text' })
  readonly status!: MediaStatus;

  @Property({ type: 'text', nullable: true })
  readonly processingError!: string | null;

  /** Sha-256 in hex, as we measured it. */
  @Property({ type: 'text', nullable: true })
  readonly contentHash!: string | null;

  /** Set on direct uploads, from the start: the unique index over it lets one of several at once win. */
  @Property({ type: 'text', nullable: true })
  readonly directHash!: string | null;

  @Property({ type: 'json', nullable: true })
  readonly metadata!: ImageMetadata | null;

  @Property({ type: 'datetime', length: 6, defaultRaw: 'now()' })
  readonly createdAt!: Date;

  /** When it became `ready` or `failed`. */
  @Property({ type: 'datetime', length: 6, nullable: true })
  readonly processedAt!: Date | null;

  @Property({ type: 'datetime', length: 6, nullable: true })
  readonly deletedAt!: Date | null;

  /** Until then the bytes may arrive and be confirmed. */
  @Property({ type: 'datetime', length: 6 })
  readonly uploadExpiresAt!: Date;

  /** When the bytes of a deleted or failed file were removed. */
  @Property({ type: 'datetime', length: 6, nullable: true })
  readonly purgedAt!: Date | null;

  /** True while `fileSize` counts as reserved in the owner's ledger. */
  @Property({ type: 'boolean' })
  readonly reservationOpen!: boolean;

  /** When the sweeper may drive the unfinished work on this file again; null when there is none. */
  @Property({ type: 'datetime', length: 6, nullable: true })
  readonly driveAfter!: Date | null;

  @Property({ type: 'integer', default: 0 })
  readonly driveCount!: number;

  /** Attempts in a row that ran out of time. */
  @Property({ type: 'integer', default: 0 })
  readonly timeoutCount!: number;

  /** When the sweeper looks once more for objects that a late writer left behind; null when it has. */
  @Property({ type: 'datetime', length: 6, nullable: true })
  readonly leftoversDueAt!: Date | null;

  /** The order key at full precision; see `CursorPosition`. Not a column of its own. */
  readonly createdAtMicros!: bigint;

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
