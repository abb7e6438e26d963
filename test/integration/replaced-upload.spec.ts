import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ObjectStorage } from '../../src/storage/object-storage.js';
import { photo } from '../support/images.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the right bytes that are put after the wrong ones were refused', () => {
  let mediadock: TestApp;

  beforeAll(async () => {
    mediadock = await startTestApp();
  });
  afterAll(async () => mediadock.close());

  it('stay when another confirm of the wrong ones ends only now', async () => {
    const alice = mediadock.as('alice');
    const right = await photo(80, 60);
    const wrong = Buffer.alloc(right.length, 'no picture');
    const { body: ticket } = await alice.requestUpload({
      fileName: 'a.jpg',
      mimeType: 'image/jpeg',
      fileSize: right.length,
    });
    expect((await alice.put(ticket, wrong)).status).toBe(200);

    const storage = mediadock.app.get(ObjectStorage, { strict: false });
    const remove = storage.delete.bind(storage);
    vi.spyOn(storage, 'delete').mockImplementationOnce(async (...args) => {
      expect((await alice.confirm(ticket.mediaFileId)).status).toBe(415);
      expect((await alice.put(ticket, right)).status).toBe(200);
      await remove(...args);
    });
    expect((await alice.confirm(ticket.mediaFileId)).status).toBe(415);

    expect((await alice.confirm(ticket.mediaFileId)).status).toBe(200);
    expect((await alice.settled(ticket.mediaFileId)).status).toBe('ready');
  });
});
