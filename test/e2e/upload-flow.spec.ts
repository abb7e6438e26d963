import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256, until } from '../support/api-client.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the way of a photo', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp();
  });
  afterAll(async () => mediadock.close());

  it('goes from request through PUT, confirm and thumbnails to deletion, and leaves nothing behind', async () => {
    const alice = mediadock.as('alice');
    const bytes = await photo(1600, 1200);

    const requested = await alice.requestUpload({
      fileName: 'Summer.JPG',
      mimeType: 'image/jpeg',
      fileSize: bytes.length,
    });
    expect(requested.status).toBe(201);
    const ticket = requested.body;
    expect(ticket).toMatchObject({
      uploadMethod: 'PUT',
      uploadHeaders: {
        'content-type': 'image/jpeg',
        'x-goog-content-length-range': `${bytes.length},${bytes.length}`,
        'x-goog-if-generation-match': '0',
      },
    });
    expect(ticket.storageKey).toMatch(/^users\/[0-9a-f-]{36}\/image\/\d{4}\/\d{2}\/[0-9a-f-]{36}\.jpg$/);
    expect(await alice.quota()).toMatchObject({ reservedBytes: bytes.length, usedBytes: 0 });
    expect((await alice.get(ticket.mediaFileId)).body).toMatchObject({
      status: 'pending',
      publicUrl: null,
      contentHash: null,
    });

    expect((await alice.put(ticket, bytes)).status).toBe(200);
    const confirmed = await alice.confirm(ticket.mediaFileId, { width: 7, height: 9 });
    expect(confirmed.status).toBe(200);
    expect(confirmed.body).toMatchObject({
      status: 'processing',
      originalFileName: 'summer.jpg',
      thumbnailUrl: null,
    });
    expect(await alice.quota()).toMatchObject({ reservedBytes: 0, usedBytes: bytes.length });

    const ready = await alice.settled(ticket.mediaFileId);
    expect(ready).toMatchObject({
      id: ticket.mediaFileId,
      fileName: ticket.mediaFileId,
      mimeType: 'image/jpeg',
      fileSize: bytes.length,
      mediaType: 'image',
      storageKey: ticket.storageKey,
      width: 1600,
      height: 1200,
      duration: null,
      status: 'ready',
      processingError: null,
      contentHash: sha256(bytes),
      metadata: { format: 'jpeg', frames: 1, hasAlpha: false },
      deletedAt: null,
    });
    const original = await fetch(String(ready.publicUrl));
    expect(sha256(Buffer.from(await original.arrayBuffer()))).toBe(sha256(bytes));
    expect(original.headers.get('content-disposition')).toContain('summer.jpg');
    for (const url of [ready.thumbnailUrl, ready.mediumUrl]) {
      const derivative = await fetch(String(url));
      expect(derivative.headers.get('content-type')).toBe('image/webp');
      expect((await derivative.arrayBuffer()).byteLength).toBeGreaterThan(100);
    }
    expect((await alice.list()).body.items.map((item) => item.id)).toEqual([ticket.mediaFileId]);

    expect((await alice.delete(ticket.mediaFileId)).status).toBe(204);
    expect((await alice.get(ticket.mediaFileId)).status).toBe(404);
    expect((await alice.list()).body.items).toEqual([]);
    expect(await alice.quota()).toMatchObject({ reservedBytes: 0, usedBytes: 0 });
    await until(
      async () => ((await mediadock.stack.objects()).length === 0 ? true : null),
      'the bytes to go',
    );
    // A cloud bucket does not tell strangers whether there was something.
    expect([403, 404]).toContain((await fetch(String(ready.publicUrl))).status);
  });
});
