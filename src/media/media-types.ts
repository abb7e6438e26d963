import type { AppConfig } from '../config/app-config.js';

export const MEDIA_TYPES = ['image', 'video', 'audio'] as const;
export type MediaType = (typeof MEDIA_TYPES)[number];

/** What is known about a MIME type that Mediadock accepts. */
export interface AcceptedType {
  readonly mimeType: string;
  readonly mediaType: MediaType;
  /** The extension of our keys; what the client called the file has no say in it. */
  readonly extension: string;
  /** Where the size limit of this type stands in the configuration. */
  readonly maxBytes: (limits: AppConfig['media']) => number;
}

const imageBytes = (limits: AppConfig['media']) => limits.imageMaxBytes;

/** The one table of accepted types. A type is added here, together with a processor that can decode it. */
const ACCEPTED_TYPES: readonly AcceptedType[] = [
  { mimeType: 'image/jpeg', mediaType: 'image', extension: 'jpg', maxBytes: imageBytes },
  { mimeType: 'image/png', mediaType: 'image', extension: 'png', maxBytes: imageBytes },
  { mimeType: 'image/gif', mediaType: 'image', extension: 'gif', maxBytes: imageBytes },
  { mimeType: 'image/webp', mediaType: 'image', extension: 'webp', maxBytes: imageBytes },
];

export const ACCEPTED_MIME_TYPES: readonly string[] = ACCEPTED_TYPES.map(({ mimeType }) => mimeType);

/** Looks a MIME type up as clients write it (case does not matter, RFC 9110 section 8.3.1); null when not accepted. */
export function acceptedType(mimeType: string): AcceptedType | null {
  const wanted = mimeType.trim().toLowerCase();
  return ACCEPTED_TYPES.find((type) => type.mimeType === wanted) ?? null;
}
