import { createHash, createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Pool } from 'pg';
import { STATEMENTS } from './statements.js';

/**
 * The floor of every request: `node:http` and `pg`, the one statement, the bytes on the disk, and nothing else. No token
 * is checked, no field validated, nothing signed, logged or counted. Nobody can be faster with these two libraries.
 */

const { PORT, DATABASE_URL, DATABASE_POOL_SIZE, OBJECTS_DIR = '.', SIGNING_KEY_FILE } = process.env;
const pool = new Pool({ connectionString: DATABASE_URL, max: Number(DATABASE_POOL_SIZE) });

/** With a key, an upload URL is signed as Google Cloud Storage wants it: by RSA, in libuv's threads. */
const signingKey = SIGNING_KEY_FILE === undefined ? null : createPrivateKey(keyIn(SIGNING_KEY_FILE));

function keyIn(file: string): string {
  const { private_key: pem }: { private_key: string } = JSON.parse(readFileSync(file, 'utf8'));
  return pem;
}

function signed(text: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('RSA-SHA256', Buffer.from(text), signingKey ?? '', (error, signature) =>
      error ? reject(error) : resolve(signature),
    );
  });
}

type Answer = Promise<unknown>;

async function requestUpload(request: IncomingMessage): Answer {
  const file: { fileName: string; mimeType: string; fileSize: number } = JSON.parse(
    (await buffer(request)).toString(),
  );
  const id = randomUUID();
  const key = `users/${userOf(request)}/image/${id}.jpg`;
  const row = await first('requestUpload', [
    id,
    userOf(request),
    file.fileName,
    file.mimeType,
    file.fileSize,
    key,
  ]);
  return signingKey === null ? row : { row, signature: (await signed(key)).toString('hex') };
}

async function put(request: IncomingMessage): Answer {
  await store(join(OBJECTS_DIR, request.url ?? ''), request);
  return {};
}

/** Takes the only part out of a multipart body by its first empty line and the length of its boundary. */
async function storeDirectly(request: IncomingMessage): Answer {
  const body = await buffer(request);
  const start = body.indexOf('\r\n\r\n') + 4;
  const boundaryBytes = body.indexOf('\r\n');
  const bytes = body.subarray(start, body.length - boundaryBytes - 6);
  const hash = createHash('sha256').update(bytes).digest('hex');
  const id = randomUUID();
  const key = `users/${userOf(request)}/image/${id}.jpg`;
  await store(join(OBJECTS_DIR, key), bytes);
  return first('storeDirectly', [id, userOf(request), 'photo.jpg', 'image/jpeg', bytes.length, key, hash]);
}

async function listNewest(request: IncomingMessage): Answer {
  const rows = await run('listNewest', [userOf(request)]);
  return { items: rows.slice(0, 20), hasMore: rows.length > 20 };
}

/** Written, flushed, and only then seen under its name. */
async function store(path: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = join(OBJECTS_DIR, randomUUID());
  const handle = await open(temporary, 'wx');
  await handle.writeFile(body);
  await handle.sync();
  await handle.close();
  await mkdir(dirname(path), { recursive: true });
  await rename(temporary, path);
}

async function first(name: keyof typeof STATEMENTS, values: unknown[]): Answer {
  const [row] = await run(name, values);
  if (row === undefined) {
    throw new Error('The quota of the bench is exhausted');
  }
  return row;
}

/** Prepared once a connection: nothing is faster. */
async function run(name: keyof typeof STATEMENTS, values: unknown[]): Promise<object[]> {
  const { rows } = await pool.query<object>({ name, text: STATEMENTS[name], values });
  return rows;
}

function userOf({ headers }: IncomingMessage): string {
  return String(headers['x-user']);
}

const ROUTES: Record<string, (request: IncomingMessage) => Answer> = {
  'POST /v1/media/uploads': requestUpload,
  'POST /v1/media': storeDirectly,
  'GET /v1/media': listNewest,
};

createServer((request, response) => {
  const route = request.method === 'PUT' ? put : ROUTES[`${request.method} ${request.url}`];
  (route ? route(request) : Promise.resolve({})).then(
    (body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
}).listen(Number(PORT), '127.0.0.1');
