import type { MediaFileDto } from '../../src/media/dto/media-file.dto.js';
import { MediaLifecycleRepository } from '../../src/media/media-lifecycle.repository.js';
import { type Answer, type ApiClient, until } from './api-client.js';
import type { TestApp } from './test-app.js';
import type { TestDatabase } from './test-database.js';

/** Asks for the file once it is ready, and gives up earlier than a test would. */
export function waitFor<Body = MediaFileDto>(
  client: ApiClient,
  id: string,
  seconds = 25,
): Promise<Answer<Body>> {
  return client.send<Body>('GET', `/v1/media/${id}?waitFor=ready&timeoutSeconds=${seconds}`);
}

/** Waits until so many requests wait for files. */
export async function untilWaiting(mediadock: TestApp, count: number): Promise<void> {
  await until(async () => {
    const { body } = await mediadock.anonymous().send<string>('GET', '/metrics');
    return new RegExp(`^mediadock_waiting_requests ${count}$`, 'm').test(body) ? true : null;
  }, `${count} requests to wait`);
}

/** Upload requests of this client of which nothing has arrived. @returns their ids */
export async function pendingFiles(client: ApiClient, count: number): Promise<string[]> {
  const item = { fileName: 'a.jpg', mimeType: 'image/jpeg', fileSize: 1000 };
  const ids: string[] = [];
  while (ids.length < count) {
    const items = Array.from({ length: Math.min(100, count - ids.length) }, () => item);
    const { body } = await client.sendJson<{ items: readonly { mediaFileId: string }[] }>(
      'POST',
      '/v1/media/uploads/batch',
      { items },
    );
    ids.push(...body.items.map(({ mediaFileId }) => mediaFileId));
  }
  return ids;
}

/** Fails pending files as the sweeper does when their window has closed. */
export async function expire(
  mediadock: TestApp,
  ids: readonly string[],
  database: TestDatabase = mediadock.database,
): Promise<void> {
  const lifecycle = mediadock.app.get(MediaLifecycleRepository, { strict: false });
  await database.query(
    "update media_files set upload_expires_at = now() - interval '1 second' where id = any($1)",
    [ids],
  );
  await Promise.all(ids.map((id) => lifecycle.markExpired(id)));
}
