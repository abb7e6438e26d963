import { sharp } from '../../src/processing/image/sharp-hardening.js';
import { photoPixels } from '../support/images.js';

const SIDE = 1850;

/** A picture of 10.3 MB, just below `IMAGE_MAX_BYTES`: not compressed, so that it takes no time to make or to decode. */
export async function largePng(): Promise<Buffer> {
  return sharp(photoPixels(SIDE, SIDE), { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toBuffer();
}
