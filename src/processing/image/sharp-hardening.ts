import './vips-environment.js';
import sharp, { type SharpOptions } from 'sharp';

/**
 * The only way to sharp in this code base: importing it from here guarantees that it was hardened first.
 *
 * The settings hold for the whole process. Loaders are an allow-list, and of each format only the one that
 * reads from memory: no file name that ends up in sharp by mistake can be opened. Ultra HDR photos lose their
 * own loader and are read as the plain JPEG they also are. Raw pixels need no loader.
 */
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadNsgifBuffer',
    'VipsForeignLoadWebpBuffer',
  ],
});
// No two uploads share an operation, so the cache would only hold memory.
sharp.cache(false);
// Several images at once, one thread each, beat several threads on one image; and memory stays predictable.
sharp.concurrency(1);

/** The most channels one of the four formats can have is four; sharp's own default is made explicit. */
const MAX_CHANNELS = 5;

/**
 * How strict a decoder is. `warning` also refuses damaged JPEG data, which libjpeg only warns about; `error`
 * lets libjpeg's warnings pass and is otherwise as strict, also about data that ends too early.
 */
export type Strictness = 'warning' | 'error';

/** Options for every decode of bytes that came from a client. */
export function untrustedInput(maxPixels: number, failOn: Strictness): SharpOptions {
  return { failOn, unlimited: false, limitInputPixels: maxPixels, limitInputChannels: MAX_CHANNELS };
}

export { sharp };
