import { describe, expect, it } from 'vitest';
import { faultOfInput, faultOfOutput, isHarmlessWarning } from './decoder-errors.js';
import { PermanentFault, ProcessingTimeout } from './processing-fault.js';

describe(faultOfInput.name, () => {
  it.each([
    ['Input image exceeds pixel limit', 'too_many_pixels'],
    ['VipsJpeg: premature end of JPEG image', 'truncated'],
    ['Input buffer has corrupt header: gifload_buffer: Unexpected end of GIF source data', 'truncated'],
    ['vipspng: libpng read error', 'unreadable'],
    ['gifload: bad image dimensions\ngifload_buffer: Out of memory', 'unreadable'],
    ['Unknown error', 'unreadable'],
  ])('takes "%s" for the fault %s of the file', (message, code) => {
    const cause = new Error(message);
    expect(faultOfInput(cause)).toMatchObject({ code, message, cause });
  });

  it('takes a time-out for something to try again', () => {
    expect(faultOfInput(new Error('timeout: 42% complete\nVipsImage: killed'))).toBeInstanceOf(
      ProcessingTimeout,
    );
  });

  it.each([
    new Error('out of memory -- size == 400MB'),
    Object.assign(new Error('spawn failed'), { code: 'EAGAIN' }),
    new TypeError('Cannot read properties of undefined'),
    new PermanentFault('truncated', 'already known'),
    new ProcessingTimeout('already known'),
    'not even an error',
  ])('does not blame the file for %s', (error) => {
    expect(faultOfInput(error)).toBe(error);
  });
});

describe(faultOfOutput.name, () => {
  it('blames no file for an encoder that fails', () => {
    const error = new Error('webpsave: unable to encode');
    expect(faultOfOutput(error)).toBe(error);
    expect(faultOfOutput(new Error('timeout: 1% complete'))).toBeInstanceOf(ProcessingTimeout);
  });
});

describe(isHarmlessWarning.name, () => {
  it('knows warnings about photos that are whole', () => {
    expect(isHarmlessWarning(new Error('VipsJpeg: Invalid SOS parameters for sequential JPEG'))).toBe(true);
    expect(
      isHarmlessWarning(new Error('VipsJpeg: Corrupt JPEG data: 5 extraneous bytes before marker 0xd9\n')),
    ).toBe(true);
  });

  it('is not taken in by a harmless warning beside a harmful one, nor by no text at all', () => {
    const both =
      'VipsJpeg: Invalid SOS parameters for sequential JPEG\nVipsJpeg: Corrupt JPEG data: bad Huffman code';
    expect(isHarmlessWarning(new Error(both))).toBe(false);
    const betweenScans = 'VipsJpeg: Corrupt JPEG data: 5 extraneous bytes before marker 0xda';
    expect(isHarmlessWarning(new Error(betweenScans))).toBe(false);
    expect(isHarmlessWarning(new Error(''))).toBe(false);
    expect(isHarmlessWarning(new TypeError('Invalid SOS parameters for sequential JPEG'))).toBe(false);
  });
});
