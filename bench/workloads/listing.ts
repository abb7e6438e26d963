import { encodeCursor } from '../../src/media/cursor.js';
import type { ChildServer } from '../child-server.js';
import { measure } from '../meter.js';
import { atLeast } from '../result.js';
import { compare } from '../rounds.js';
import { addReadyFiles, settleTables } from '../rows.js';
import type { BenchUser } from '../users.js';
import { headersOf, type Scene, userAt, type Workload } from '../workload.js';

const CONNECTIONS = 16;
const FEW_ROWS = 1_000;
const SOME_ROWS = 10_000;
const PAGE = 20;
const FAR_PAGE = 1_000;

/** Users beyond those that upload, so that nothing is added to their lists by the way. */
const LISTED = { some: -1, few: -2, many: -3 } as const;

export const listNewest: Workload = {
  id: 'list',
  title: `List the 20 newest of ${SOME_ROWS.toLocaleString('en')} files, ${CONNECTIONS} connections`,
  rounds: (scale) => scale.rounds,
  async run(scene) {
    const { stage, scale, api, floor, onRound } = scene;
    const user = listed(scene, 'some');
    for (const database of [stage.client, stage.floorClient]) {
      await addReadyFiles(database, user.id, SOME_ROWS);
      await settleTables(database);
    }
    const turn = (server: ChildServer, seconds = scale.seconds) => get(scene, server, user, seconds);
    await turn(floor, scale.warmUpSeconds);
    await turn(api, scale.warmUpSeconds);
    const figures = await compare(
      scale.rounds,
      { floor: () => turn(floor), service: () => turn(api) },
      onRound,
    );
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
  few: (scene: Scene) => Promise<Requested>,
  many: (scene: Scene) => Promise<Requested>,
): Workload {
  return {
    id,
    title,
    rounds: (scale) => scale.rounds,
    async run(scene) {
      const { scale, api, onRound } = scene;
      await ensureRows(scene);
      const [onFew, onMany] = [await few(scene), await many(scene)];
      const turn = (requested: Requested, seconds = scale.seconds) =>
        get(scene, api, requested.user, seconds, requested);
      await turn(onFew, scale.warmUpSeconds);
      await turn(onMany, scale.warmUpSeconds);
      const figures = await compare(
        scale.rounds,
        { floor: () => turn(onFew), service: () => turn(onMany) },
        onRound,
      );
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

interface Requested {
  readonly user: BenchUser;
  readonly path?: string;
  /** A POST with this body instead of a GET. */
  readonly body?: string;
}

const firstPage = (which: keyof typeof LISTED) => async (scene: Scene) => ({ user: listed(scene, which) });

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
    return { user, path: `/v1/media?cursor=${await cursorBefore(scene, user, FAR_PAGE)}` };
  },
);

export const quotaOfMany = growth(
  'quota-many',
  'Check the quota (request an upload URL) of a user with 1,000,000 rows',
  async (scene) => ({ user: listed(scene, 'few'), ...UPLOAD }),
  async (scene) => ({ user: listed(scene, 'many'), ...UPLOAD }),
);

const UPLOAD = {
  path: '/v1/media/uploads',
  body: JSON.stringify({ fileName: 'photo.jpg', mimeType: 'image/jpeg', fileSize: 100_000 }),
};

function listed({ users }: Scene, which: keyof typeof LISTED): BenchUser {
  return userAt(users, LISTED[which]);
}

function get(
  { stage }: Scene,
  server: ChildServer,
  user: BenchUser,
  seconds: number,
  { path = '/v1/media', body }: Omit<Requested, 'user'> = {},
) {
  return measure(stage, server, {
    connections: CONNECTIONS,
    seconds,
    script: () => [
      body === undefined
        ? { method: 'GET', path, headers: headersOf(user) }
        : {
            method: 'POST',
            path,
            headers: { ...headersOf(user), 'content-type': 'application/json' },
            body,
          },
    ],
  });
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
