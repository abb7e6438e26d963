import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesBelow } from '../support/files-below.js';
import { MIME_TYPE } from './pictures.js';
import { PropertyRuns } from './property-runs.js';
import { change, changed, type RawPut, send } from './signed-put.js';
import { Stage } from './stage.js';

describe('a signed upload URL', () => {
  let stage: Stage;
  let subject: string;
  let bytes: Buffer;

  beforeAll(async () => {
    stage = await Stage.open();
    ({ subject } = await stage.newUser());
    bytes = stage.pictures[0]?.bytes ?? Buffer.alloc(0);
  });
  afterAll(async () => stage.close());

  async function signedPut(): Promise<RawPut> {
    const { body: ticket } = await stage.mediadock
      .as(subject)
      .requestUpload({ fileName: 'a.jpg', mimeType: MIME_TYPE, fileSize: bytes.length });
    const { pathname, search } = new URL(ticket.uploadUrl);
    return {
      method: ticket.uploadMethod,
      path: pathname,
      query: search.slice(1),
      headers: { ...ticket.uploadHeaders, 'content-length': String(bytes.length) },
      body: bytes,
    };
  }

  /** What there is of that upload, and whatever lies about half done. */
  const storedOf = async ({ path }: RawPut) => {
    const key = path.slice('/v1/storage/'.length);
    const files = await filesBelow(`${stage.mediadock.dataDir}/objects`);
    return files.filter((file) => file.startsWith(key) || file.startsWith('tmp'));
  };

  const runs = new PropertyRuns('signed URLs', { count: 300, secondsPerRun: 1 });
  it(
    'is good for nothing but the very request that was signed, and then once',
    { timeout: runs.timeout },
    async () => {
      const put = await signedPut();
      await runs.hold(
        fc.asyncProperty(change, async (to) => {
          const other = await signedPut();
          const tampered = changed(other, to);
          fc.pre(tampered !== null);
          const status = await send(stage.mediadock.baseUrl, tampered);
          expect(await storedOf(other)).toEqual([]);
          expect(status).toBeGreaterThanOrEqual(400);
          expect(status).toBeLessThan(500);
        }),
      );
      expect(await send(stage.mediadock.baseUrl, put)).toBe(200);
      expect(await send(stage.mediadock.baseUrl, put)).toBe(412);
    },
  );
});
