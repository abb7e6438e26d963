import type autocannon from 'autocannon';
import { encodeCursor } from '../../src/media/cursor.js';
import type { ChildServer } from '../child-server.js';
import { measure } from '../meter.js';
import { atLeast } from '../result.js';
import { compareWarm, type Sample, warmBefore } from '../rounds.js';
import { addReadyFiles, settleTables } from '../rows.js';
import type { BenchUser } from '../users.js';
import { headersOf, type Scene, uploadRequest, userAt, type Workload } from '../workload.js';

const CONNECTIONS = 16;
const FEW_ROWS = 1_000;
const SOME_ROWS = 10_000;
const LIST = '/v1/media';
const PAGE = 20;
const FAR_PAGE = 1_000;

/** Users beyond those that upload, so that nothing is added to their lists by the way. */
const LISTED = { some: -1, few: -2, many: -3 } as const;

export const listNewest: Workload = {
  id: 'list',
  title: `List the 20 newest of ${SOME_ROWS.toLocaleString('en')} files, ${CONNECTIONS} connections`,
  rounds: (scale) => scale.rounds,
  async run(scene) {
    const { stage, api, floor } = scene;
    const user = listed(scene, 'some');
    for (const database of [stage.client, stage.floorClient]) {
      await addReadyFiles(database, user.id, SOME_ROWS);
      await settleTables(database);
    }
    const turnOf = (server: ChildServer) => (seconds: number) =>
      load(scene, server, seconds, { method: 'GET', path: LIST, headers: headersOf(user) });
    const figures = await compareWarm(scene, { floor: turnOf(floor), service: turnOf(api) });
    return {
      id: this.id,
      title: this.title,
      floor: '`node:http` + `pg`, the one statement, rows as they come',
      unit: 'requests/s',
      figures,
      targets: [atLeast('requests/s', figures.ratio, 0.4)],
    };
  },
};

/** Growth: the service against itself, on a list that is a thousand times as long. */
function growth(
  id: string,
  title: string,
  few: (scene: Scene) => Promise<autocannon.Request>,
  many: (scene: Scene) => Promise<autocannon.Request>,
): Workload {
  return {
    id,
    title,
    rounds: (scale) => scale.rounds,
    async run(scene) {
      await ensureRows(scene);
      const [onFew, onMany] = [await few(scene), await many(scene)];
      const turnOf = (request: autocannon.Request) => (seconds: number) =>
        load(scene, scene.api, seconds, request);
      const figures = await compareWarm(warmBefore(scene), {
        floor: turnOf(onFew),
        service: turnOf(onMany),
      });
      return {
        id,
        title,
        floor: `the service itself, on a user with ${FEW_ROWS.toLocaleString('en')} rows`,
        unit: 'requests/s',
        figures,
        targets: [atLeast('requests/s', figures.ratio, 0.9, '× 1,000 rows')],
      };
    },
  };
}

const firstPage =
  (which: keyof typeof LISTED) =>
  async (scene: Scene): Promise<autocannon.Request> => ({
    method: 'GET',
    path: LIST,
    headers: headersOf(listed(scene, which)),
  });

export const listOfMany = growth(
  'list-many',
  'List the 20 newest of a user with 1,000,000 rows',
  firstPage('few'),
  firstPage('many'),
);

export const farPage = growth(
  'list-far',
  'List page 1,000 by cursor of 1,000,000 rows',
  firstPage('few'),
  async (scene) => {
    const user = listed(scene, 'many');
    const cursor = await cursorBefore(scene, user, FAR_PAGE);
    return { method: 'GET', path: `${LIST}?cursor=${cursor}`, headers: headersOf(user) };
  },
);

export const quotaOfMany = growth(
  'quota-many',
  'Check the quota (request an upload URL) of a user with 1,000,000 rows',
  async (scene) => uploadRequest(listed(scene, 'few')),
  async (scene) => uploadRequest(listed(scene, 'many')),
);

function listed({ users }: Scene, which: keyof typeof LISTED): BenchUser {
  return userAt(users, LISTED[which]);
}

function load(
  { stage }: Scene,
  server: ChildServer,
  seconds: number,
  request: autocannon.Request,
): Promise<Sample> {
  return measure(stage, server, { connections: CONNECTIONS, seconds, script: () => [request] });
}

async function ensureRows(scene: Scene): Promise<void> {
  const { stage, scale } = scene;
  const few = listed(scene, 'few').id;
  const { rowCount } = await stage.client.query('select from media_files where user_id = $1 limit 1', [few]);
  if (rowCount === 0) {
    await addReadyFiles(stage.client, few, FEW_ROWS);
    await addReadyFiles(stage.client, listed(scene, 'many').id, scale.manyRows);
    await settleTables(stage.client);
  }
}

/** Where this page begins, found by counting; a client would have got it with the page before. */
async function cursorBefore({ stage }: Scene, user: BenchUser, page: number): Promise<string> {
  const { rows } = await stage.client.query<{ id: string; micros: string }>(
    `select id, (extract(epoch from created_at) * 1000000)::bigint as micros from media_files
     where user_id = $1 and status = 'ready' order by created_at desc, id desc offset $2 limit 1`,
    [user.id, (page - 1) * PAGE - 1],
  );
  const [last] = rows;
  if (last === undefined) {
    throw new Error('The list is too short for this page');
  }
  return encodeCursor({ id: last.id, createdAtMicros: BigInt(last.micros) });
}
