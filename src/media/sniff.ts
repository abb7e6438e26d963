import { fileTypeFromBuffer } from 'file-type';

/** Bytes that decide about any type we accept; the sample size that file-type recommends. */
export const SNIFF_BYTES = 4100;

/** Animated PNG is PNG to every decoder and to RFC 9649's registry; only the sniffer names it apart. */
const ALIASES: Readonly<Record<string, string>> = { 'image/apng': 'image/png' };

/** The MIME type that the bytes themselves show, or null for unknown bytes. */
export async function sniffMimeType(head: Uint8Array): Promise<string | null> {
  const found = await fileTypeFromBuffer(head);
  return found ? (ALIASES[found.mime] ?? found.mime) : null;
}
