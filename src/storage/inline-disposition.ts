import { create as contentDisposition } from 'content-disposition';

/** The `Content-Disposition` of a file that is shown, and saved under its own name: RFC 6266, with RFC 8187 for what is not ASCII. */
export function inlineDisposition(fileName: string): string {
  // An unpaired surrogate has no UTF-8 form.
  return contentDisposition(fileName.toWellFormed(), { type: 'inline' });
}
