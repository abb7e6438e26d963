import { StorageFault } from './storage-fault.js';

export interface RelatedPart {
  readonly contentType: string;
  readonly body: Buffer;
}

const LINE_BREAK = '\r\n';

/** The two parts of a multipart upload (RFC 2387): the metadata, then the bytes. */
export function parseMultipartRelated(body: Buffer, contentType: string): [RelatedPart, RelatedPart] {
  const [, boundary] = /^multipart\/related;\s*boundary="?([^";]+)"?/.exec(contentType) ?? [];
  if (boundary === undefined) {
    throw StorageFault.invalid('A multipart upload needs a boundary');
  }
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: RelatedPart[] = [];
  let start = body.indexOf(delimiter);
  for (;;) {
    const next = body.indexOf(delimiter, start + delimiter.length);
    if (start < 0 || next < 0) {
      break;
    }
    const part = body.subarray(start + delimiter.length + LINE_BREAK.length, next - LINE_BREAK.length);
    parts.push(parsePart(part));
    start = next;
  }
  const [metadata, content] = parts;
  const isClosed = body.subarray(start + delimiter.length, start + delimiter.length + 2).toString() === '--';
  if (metadata === undefined || content === undefined || parts.length > 2 || !isClosed) {
    throw StorageFault.invalid('A multipart upload has two parts');
  }
  return [metadata, content];
}

function parsePart(part: Buffer): RelatedPart {
  const end = part.indexOf(LINE_BREAK + LINE_BREAK);
  const [, contentType = 'application/octet-stream'] =
    /^content-type:\s*(.+)$/im.exec(part.subarray(0, end).toString()) ?? [];
  return { contentType: contentType.trim(), body: part.subarray(end + 2 * LINE_BREAK.length) };
}
