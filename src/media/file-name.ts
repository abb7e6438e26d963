/** Most file systems end here (ext4, APFS, NTFS). */
const MAX_BYTES = 255;
/** An extension longer than this is no extension worth saving. */
const MAX_EXTENSION_BYTES = 32;

/**
 * Path separators and what Windows reserves, control and format characters (bidi overrides among them: they can
 * make "gpj.exe" read as a picture), line and paragraph separators, and what is left of broken surrogate pairs.
 */
const UNSAFE = /[<>:"/\\|?*\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/gu;

/**
 * Makes a client's file name safe to show and to download under: lower case, NFC, unsafe characters as `_`, at
 * most 255 bytes of UTF-8 with the extension kept. Any string goes in; the same name comes out of it again.
 */
export function sanitizeFileName(name: string): string {
  const safe = name.toWellFormed().normalize('NFC').toLowerCase().normalize('NFC').replaceAll(UNSAFE, '_');
  const bounded = truncate(safe.trim());
  return /^\.*$/.test(bounded) ? '_'.repeat(Math.max(1, bounded.length)) : bounded;
}

function truncate(name: string): string {
  if (Buffer.byteLength(name) <= MAX_BYTES) {
    return name;
  }
  const dot = name.lastIndexOf('.');
  const extension =
    dot > 0 && Buffer.byteLength(name.slice(dot)) <= MAX_EXTENSION_BYTES ? name.slice(dot) : '';
  const stem = name.slice(0, name.length - extension.length);
  return `${takeBytes(stem, MAX_BYTES - Buffer.byteLength(extension)).trimEnd()}${extension}`;
}

/** The longest start that fits, cut between characters as people see them, never inside one. */
function takeBytes(text: string, maxBytes: number): string {
  let taken = 0;
  let end = 0;
  for (const { segment, index } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)) {
    taken += Buffer.byteLength(segment);
    if (taken > maxBytes) {
      break;
    }
    end = index + segment.length;
  }
  return text.slice(0, end);
}
