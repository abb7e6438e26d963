import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GcsServer } from './gcs-server.js';
import { type Gcs, startGcs } from './start-gcs.js';

const MEDIA = 'mediadock-media';
const UPLOADS = 'mediadock-uploads';
const IMAGE = { contentType: 'image/jpeg' };
const APP = 'https://app.example.com';

function rangeOf(range: string): RequestInit {
  return { headers: { range } };
}

/** The origin that a browser would find allowed. */
async function preflight(server: string, headers: string): Promise<string | null> {
  const response = await fetch(`${server}/${UPLOADS}/a.jpg`, {
    method: 'OPTIONS',
    headers: {
      origin: APP,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': headers,
    },
  });
  return response.headers.get('access-control-allow-origin');
}

describe(GcsServer.name, () => {
  let gcs: Gcs;

  beforeAll(async () => {
    gcs = await startGcs({ corsOrigins: [APP] });
    gcs.server.store.write(MEDIA, 'a.jpg', Buffer.from('0123456789'), IMAGE, null);
    gcs.server.store.write(UPLOADS, 'a.jpg', Buffer.from('0123456789'), IMAGE, null);
  });

  afterAll(async () => {
    await gcs.close();
  });

  async function ask(path: string, init: RequestInit = {}): Promise<[status: number, text: string]> {
    const response = await fetch(`${gcs.origin}${path}`, init);
    return [response.status, await response.text()];
  }

  it('shows everybody what is in a public bucket, and nobody what is not in it', async () => {
    expect(await ask(`/${MEDIA}/a.jpg`)).toEqual([200, '0123456789']);
    expect(await ask(`/${MEDIA}/b.jpg`)).toEqual([403, expect.stringContaining('<Code>AccessDenied</Code>')]);
  });

  it('shows nobody what is in a private bucket, nor lets anybody write without a signature', async () => {
    const put = { method: 'PUT', body: 'bytes' };

    expect(await ask(`/${UPLOADS}/a.jpg`)).toEqual([403, expect.stringContaining('AccessDenied')]);
    expect(await ask(`/${UPLOADS}/c.jpg`, put)).toEqual([403, expect.stringContaining('AccessDenied')]);
    expect(await ask(`/${MEDIA}/c.jpg`, put)).toEqual([403, expect.stringContaining('AccessDenied')]);
  });

  it('serves ranges, and refuses those that lie outside', async () => {
    expect(await ask(`/${MEDIA}/a.jpg`, rangeOf('bytes=2-4'))).toEqual([206, '234']);
    expect(await ask(`/${MEDIA}/a.jpg`, rangeOf('bytes=8-99'))).toEqual([206, '89']);
    expect(await ask(`/${MEDIA}/a.jpg`, rangeOf('bytes=10-12'))).toEqual([416, expect.any(String)]);
  });

  it('takes the JSON upload whose checksum is right, and no other', async () => {
    const upload = async (md5Hash: string) => {
      const body = [
        '--b\r\nContent-Type: application/json\r\n\r\n',
        JSON.stringify({ contentType: 'image/png', md5Hash }),
        '\r\n--b\r\nContent-Type: image/png\r\n\r\nabc\r\n--b--',
      ].join('');
      const [status] = await ask(`/upload/storage/v1/b/${MEDIA}/o?uploadType=multipart&name=u.png`, {
        method: 'POST',
        headers: { 'content-type': 'multipart/related; boundary=b' },
        body,
      });
      return status;
    };

    expect(await upload('CY9rzUYh03PK3k6DJie09g==')).toBe(400);
    expect(gcs.objects('media')).not.toContain('u.png');
    expect(await upload('kAFQmDzST7DWlj99KOF/cg==')).toBe(200);
    expect(await ask(`/${MEDIA}/u.png`)).toEqual([200, 'abc']);
  });

  it('holds writes and deletions to their preconditions', async () => {
    const object = `/storage/v1/b/${MEDIA}/o/a.jpg`;
    const { generation } = gcs.server.store.object(MEDIA, 'a.jpg');
    const rewrite = async (query: string) =>
      (await ask(`${object}/rewriteTo/b/${MEDIA}/o/copy.jpg?${query}`, { method: 'POST', body: '{}' }))[0];
    const remove = async (query: string) => (await ask(`${object}?${query}`, { method: 'DELETE' }))[0];

    expect(await rewrite('sourceGeneration=1&ifGenerationMatch=0')).toBe(404);
    expect(await rewrite(`sourceGeneration=${generation}&ifGenerationMatch=1`)).toBe(412);
    expect(await rewrite(`sourceGeneration=${generation}&ifGenerationMatch=0`)).toBe(200);
    expect(await rewrite(`sourceGeneration=${generation}&ifGenerationMatch=0`)).toBe(412);
    expect(await remove('ifGenerationMatch=1')).toBe(412);
    expect(gcs.objects('media')).toEqual(expect.arrayContaining(['a.jpg', 'copy.jpg']));
  });

  it('lets a browser send a header only when the rule of the bucket names it', async () => {
    expect(await preflight(gcs.origin, 'content-type,x-goog-if-generation-match')).toBe(APP);
    expect(await preflight(gcs.origin, 'content-type,x-goog-acl')).toBeNull();
  });

  it('knows no bucket and no method that it was not told of', async () => {
    expect(await ask('/storage/v1/b/other')).toEqual([
      404,
      expect.stringContaining('The specified bucket does not exist.'),
    ]);
    expect(await ask('/storage/v1/b')).toEqual([404, expect.stringContaining('No such method')]);
  });
});
