import { PermanentFault, ProcessingTimeout } from './processing-fault.js';

const TIMEOUT = /\btimeout: \d+% complete/;
/** The machine's trouble, whatever file happened to be there: the job must be tried again. */
const MACHINE =
  /out of memory|cannot allocate|unable to allocate|insufficient memory|ENOMEM|EMFILE|EAGAIN|unable to create thread/i;
/** The GIF loader says "out of memory" also of a frame that lies further out than any canvas can reach. */
const NOT_THE_MACHINE = /bad image dimensions/;
const TOO_MANY_PIXELS = /exceeds pixel limit/;
const CUT_OFF = /premature end|unexpected end|not enough data/i;

/**
 * The one place that knows what sharp and libvips say. They report everything as a plain `Error` with a text, and
 * fail on a damaged file in more ways than can be listed. So while the client's bytes are being read, an error is
 * the file's fault unless the text says that the machine is in trouble or that time is up.
 */
export function faultOfInput(error: unknown): unknown {
  if (!isReportedByVips(error)) {
    return error;
  }
  if (TIMEOUT.test(error.message)) {
    return new ProcessingTimeout('Decoding took too long', { cause: error });
  }
  if (MACHINE.test(error.message) && !NOT_THE_MACHINE.test(error.message)) {
    return error;
  }
  if (TOO_MANY_PIXELS.test(error.message)) {
    return new PermanentFault('too_many_pixels', error.message, { cause: error });
  }
  if (CUT_OFF.test(error.message)) {
    return new PermanentFault('truncated', error.message, { cause: error });
  }
  return new PermanentFault('unreadable', error.message, { cause: error });
}

/** While our own pixels are being encoded, no error is the file's fault. */
export function faultOfOutput(error: unknown): unknown {
  return isReportedByVips(error) && TIMEOUT.test(error.message)
    ? new ProcessingTimeout('Encoding took too long', { cause: error })
    : error;
}

/** A mistake in the code comes as a subclass (`TypeError`), trouble of the system with a `code`. */
export function isReportedByVips(error: unknown): error is Error {
  return error instanceof Error && error.name === 'Error' && !('code' in error);
}

/**
 * What libjpeg warns about in photos that are whole: headers some cameras write, and stray bytes between those
 * headers or before the end marker. Its other warnings, stray bytes between scans among them, mean damaged data.
 */
const HARMLESS_WARNINGS = [
  /Invalid SOS parameters for sequential JPEG/,
  /Unknown Adobe color transform code \d+/,
  /unknown JFIF revision number/,
  /\d+ extraneous bytes before marker 0x(?:c0|c2|d9|db|dd|e[0-9a-f]|fe)/,
];

/** True when a decode failed only for warnings that do not concern the picture. */
export function isHarmlessWarning(error: unknown): boolean {
  if (!isReportedByVips(error)) {
    return false;
  }
  const lines = error.message.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 0 && lines.every((line) => HARMLESS_WARNINGS.some((warning) => warning.test(line)));
}
