import { readFile } from 'node:fs/promises';
import { planDerivatives } from '../../src/processing/image/image-geometry.js';
import { sharp, untrustedInput } from '../../src/processing/image/sharp-hardening.js';

/**
 * The floor of image work: bare sharp with the service's settings, one decode feeding both outputs, files in memory. Nothing is
 * checked, hashed, stored or written down. A process of its own, that does nothing else.
 */

const MAX_PIXELS = 100_000_000;
const WEBP = { quality: 80, effort: 2 } as const;

interface Order {
  readonly paths: readonly string[];
  /** Files at work at once. */
  readonly atOnce: number;
}

async function render(bytes: Buffer): Promise<void> {
  const { width, height } = await sharp(bytes, untrustedInput(MAX_PIXELS, 'warning')).metadata();
  const plan = planDerivatives({ width, height });
  const { data, info } = await sharp(bytes, { ...untrustedInput(MAX_PIXELS, 'warning'), autoOrient: true })
    .resize(plan.intermediate.width, plan.intermediate.height, { fit: 'fill' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  await Promise.all([
    sharp(data, { raw }).resize(plan.thumbnail.width, plan.thumbnail.height).webp(WEBP).toBuffer(),
    sharp(data, { raw }).resize(plan.medium.width, plan.medium.height, { fit: 'fill' }).webp(WEBP).toBuffer(),
  ]);
}

/** @returns milliseconds for all of them, reading them into memory not counted */
async function carryOut({ paths, atOnce }: Order): Promise<number> {
  const files = await Promise.all(paths.map((path) => readFile(path)));
  const started = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let file = files.pop(); file !== undefined; file = files.pop()) {
        await render(file);
      }
    }),
  );
  return performance.now() - started;
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (milliseconds) => process.send?.({ milliseconds }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
