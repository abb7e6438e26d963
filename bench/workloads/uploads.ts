import { randomBytes } from 'node:crypto';
import type autocannon from 'autocannon';
import type { ChildServer } from '../child-server.js';
import { measure } from '../meter.js';
import { atLeast, atMost, type Target } from '../result.js';
import { compareWarm, type Comparison, warmBefore } from '../rounds.js';
import { headersOf, PHOTO_BYTES, type Scene, uploadRequest, userAt, type Workload } from '../workload.js';

const BOUNDARY = 'mediadock-bench-boundary';

type Script = (connection: number) => autocannon.Request[];

/** The whole work for one unit, PostgreSQL's share included. */
function cpuOf({ service: { cpu } }: Comparison): number {
  return cpu === undefined ? Number.NaN : cpu.service + cpu.postgres + cpu.redis;
}

/** Runs one script against both sides. */
function compareScripts(
  scene: Scene,
  connections: number,
  script: Script,
  { requestsPerUnit = 1, warm = false } = {},
): Promise<Comparison> {
  const turnOf = (server: ChildServer) => (seconds: number) =>
    measure(scene.stage, server, { connections, seconds, script, requestsPerUnit });
  return compareWarm(warm ? warmBefore(scene) : scene, {
    floor: turnOf(scene.floor),
    service: turnOf(scene.api),
  });
}

/** @param warm when another one of these has come before */
export function requestUpload(connections: number, warm = false): Workload {
  const title = `Request an upload URL, ${connections} connections`;
  return {
    id: `request-${connections}`,
    title,
    rounds: (scale) => scale.rounds,
    async run(scene) {
      const script: Script = (connection) => [uploadRequest(userAt(scene.users, connection))];
      const figures = await compareScripts(scene, connections, script, { warm });
      const targets = [
        atLeast('requests/s', figures.ratio, 0.45),
        atMost('CPU with PostgreSQL’s share', cpuOf(figures), 0.6, 'ms'),
      ];
      return { id: this.id, title, floor: STATEMENT, unit: 'requests/s', figures, targets };
    },
  };
}

const STATEMENT = '`node:http` + `pg`, the one statement';

export const requestAndPut: Workload = {
  id: 'request-and-put',
  title: 'Request an upload URL and put 100 KB (local storage), 16 connections',
  rounds: (scale) => scale.rounds,
  async run(scene) {
    const photo = await scene.corpus.jpegOfBytes(PHOTO_BYTES);
    const script: Script = (connection) => {
      // What was answered to the request that came before the PUT on this connection.
      let path = '';
      let headers: Record<string, string> = {};
      return [
        {
          ...uploadRequest(userAt(scene.users, connection)),
          onResponse: (_status, body) => ({ path, headers } = uploadIn(body)),
        },
        { setupRequest: () => ({ method: 'PUT', path, headers, body: photo }) },
      ];
    };
    const figures = await compareScripts(scene, 16, script, { requestsPerUnit: 2 });
    const targets = [atLeast('uploads/s', figures.ratio, 0.6)];
    return {
      id: this.id,
      title: this.title,
      floor: `${STATEMENT}; the body to a file, flushed and renamed`,
      unit: 'uploads/s',
      figures,
      targets,
    };
  },
};

export const directUpload: Workload = {
  id: 'direct-upload',
  title: 'Upload a JPEG of 100 KB directly, 16 connections',
  rounds: (scale) => scale.rounds,
  async run(scene) {
    const photo = await scene.corpus.jpegOfBytes(PHOTO_BYTES);
    const head = Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="Photo.JPG"\r\ncontent-type: image/jpeg\r\n\r\n`,
    );
    const tail = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
    const script: Script = (connection) => [
      {
        setupRequest: () => ({
          method: 'POST',
          path: '/v1/media',
          headers: {
            ...headersOf(userAt(scene.users, connection)),
            'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
          },
          // Never the same photo twice: that would be a look-up, not an upload.
          body: Buffer.concat([head, photo.subarray(0, -16), randomBytes(16), tail]),
        }),
      },
    ];
    const figures = await compareScripts(scene, 16, script);
    const targets: Target[] = [
      atLeast('uploads/s', figures.ratio, 0.6),
      atMost('CPU with PostgreSQL’s share', cpuOf(figures), 3, 'ms'),
    ];
    return {
      id: this.id,
      title: this.title,
      floor: `${STATEMENT}; hashed, to a file, flushed and renamed`,
      unit: 'uploads/s',
      figures,
      targets,
    };
  },
};

interface Upload {
  readonly path: string;
  readonly headers: Record<string, string>;
}

/** The floor signs nothing and answers with the row; the service answers with its ticket. */
function uploadIn(body: string): Upload {
  const answer: { uploadUrl?: string; uploadHeaders?: Record<string, string>; storage_key?: string } =
    JSON.parse(body);
  return answer.uploadUrl === undefined
    ? { path: `/v1/storage/uploads/${answer.storage_key}`, headers: {} }
    : { path: pathOf(answer.uploadUrl), headers: answer.uploadHeaders ?? {} };
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}
