import type { Sharp } from 'sharp';
import type { Deadline } from './deadline.js';
import { faultOfInput, faultOfOutput, isHarmlessWarning } from './decoder-errors.js';
import { decoderTurns } from './decoder-turns.js';
import type { RenderPlan, Size } from './image-geometry.js';
import type { ImageHeader } from './image-header.js';
import { meanwhile } from './meanwhile.js';
import { placeholderOf, type RawImage } from './placeholder.js';
import { sharp, untrustedInput, type Strictness } from './sharp-hardening.js';

const WEBP = { quality: 80, effort: 2 } as const;
interface RenderedDerivatives {
  readonly thumbnail: Buffer;
  readonly medium: Buffer;
  /** Base64. */
  readonly thumbHash: string;
}

/**
 * One decode feeds all derivatives. What they are encoded from is bare pixels, so nothing else that is in the file
 * (GPS, comments, profiles, trailing payloads) can reach them.
 */
export async function renderDerivatives(
  bytes: Buffer,
  header: ImageHeader,
  plan: RenderPlan,
  maxPixels: number,
  deadline: Deadline,
): Promise<RenderedDerivatives> {
  const image = await decode(bytes, header, plan.intermediate, maxPixels, deadline);
  try {
    const [thumbnail, medium, thumbHash] = await Promise.all([
      decoderTurns.run(() => encode(image, plan.thumbnail, 'cover', deadline)),
      decoderTurns.run(() => encode(image, plan.medium, 'fill', deadline)),
      meanwhile(() => placeholderOf(image)),
    ]);
    return { thumbnail, medium, thumbHash };
  } catch (error) {
    throw faultOfOutput(error);
  }
}

async function decode(
  bytes: Buffer,
  header: ImageHeader,
  size: Size,
  maxPixels: number,
  deadline: Deadline,
): Promise<RawImage> {
  const attempt = (strictness: Strictness): Promise<RawImage> =>
    decoderTurns.run(() =>
      decodeStrictly(
        sharp(bytes, { ...untrustedInput(maxPixels, strictness), autoOrient: true }),
        header,
        size,
        deadline,
      ),
    );
  try {
    return await attempt('warning').catch((error: unknown) => {
      if (isHarmlessWarning(error)) {
        return attempt('error');
      }
      throw error;
    });
  } catch (error) {
    throw faultOfInput(error);
  }
}

/**
 * Only the first frame. The decoder itself shrinks where it can (JPEG, WebP), and sharp orients what is left after
 * the shrinking, so that the decode can stream.
 */
async function decodeStrictly(
  input: Sharp,
  header: ImageHeader,
  size: Size,
  deadline: Deadline,
): Promise<RawImage> {
  const shrunk = input.resize(size.width, size.height, { fit: 'fill' });
  // sharp works on 16-bit RGB with a profile in Display P3 and, without this, would hand those values out as
  // sRGB ones: dull colours. Everything else it converts to sRGB by itself.
  const inSrgb = header.deepWithProfile ? shrunk.withIccProfile('srgb', { attach: false }) : shrunk;
  const { data, info } = await inSrgb
    .timeout({ seconds: deadline.remainingSeconds() })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

function open({ data, width, height, channels }: RawImage): Sharp {
  return sharp(data, { raw: { width, height, channels } });
}

async function encode(
  image: RawImage,
  size: Size,
  fit: 'cover' | 'fill',
  deadline: Deadline,
): Promise<Buffer> {
  return open(image)
    .resize(size.width, size.height, { fit })
    .timeout({ seconds: deadline.remainingSeconds() })
    .webp(WEBP)
    .toBuffer();
}
