import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ChildServer } from '../child-server.js';
import { measure } from '../meter.js';
import { atLeast } from '../result.js';
import { compareWarm, type Sample } from '../rounds.js';
import { type Scene, uploadRequest, userAt, type Workload } from '../workload.js';

const run = promisify(execFile);
const SIGNER = join(import.meta.dirname, '..', 'floor', 'signer.js');
const CONNECTIONS = 16;
const TITLE = `Request an upload URL of Google Cloud Storage, ${CONNECTIONS} connections`;

/** What the service is compared with, and how to end it. */
interface Floor {
  readonly turn: (seconds: number) => Promise<Sample>;
  readonly stop: () => Promise<void>;
}

interface Options {
  readonly id: string;
  readonly title: string;
  /** What the service signs with. */
  readonly key: 'rsa' | 'hmac';
  readonly floorTitle: string;
  readonly openFloor: (scene: Scene) => Promise<Floor>;
  /** Of the floor's rate; none when the comparison is there to explain another one, on demand. */
  readonly target?: number;
}

function gcsWorkload({ id, title, key, floorTitle, openFloor, target }: Options): Workload {
  return {
    id,
    title,
    rounds: (scale) => scale.rounds,
    onDemand: target === undefined,
    async run(scene) {
      const { stage } = scene;
      const api = await stage.service(`api-${id}`, { ...stage.gcsEnvironment(key), ROLE: 'api' });
      const floor = await openFloor(scene);
      const figures = await compareWarm(scene, {
        floor: floor.turn,
        service: (seconds) => request(scene, api, seconds),
      });
      await Promise.all([api.stop(), floor.stop()]);
      return {
        id,
        title,
        floor: floorTitle,
        unit: 'requests/s',
        figures,
        targets: target === undefined ? [] : [atLeast('requests/s', figures.ratio, target)],
      };
    },
  };
}

function request({ stage, users }: Scene, server: ChildServer, seconds: number): Promise<Sample> {
  return measure(stage, server, {
    connections: CONNECTIONS,
    seconds,
    script: (connection) => [uploadRequest(userAt(users, connection))],
  });
}

const bareSigning = {
  floorTitle: 'bare RSA signing (2048 bits, one thread)',
  target: 0.7,
  openFloor: async ({ stage }: Scene): Promise<Floor> => ({
    turn: async (seconds) => {
      const { stdout } = await run(process.execPath, [SIGNER, stage.gcsCredentialsFile, String(seconds)]);
      return { value: Number(stdout) };
    },
    stop: async () => {},
  }),
};

export const gcsWithHmacKey = gcsWorkload({
  ...bareSigning,
  id: 'gcs-hmac',
  title: `${TITLE}, HMAC key`,
  key: 'hmac',
});

export const gcsWithRsaKey = gcsWorkload({
  ...bareSigning,
  id: 'gcs-rsa',
  title: `${TITLE}, RSA key`,
  key: 'rsa',
});

/** What is left of a thread that only signs once there is a request to answer and a row to insert. */
export const gcsAgainstHttp = gcsWorkload({
  id: 'gcs-rsa-http',
  title: `${TITLE}, RSA key (to compare)`,
  key: 'rsa',
  floorTitle: '`node:http` + `pg`, the one statement, and one RSA signature',
  openFloor: async (scene) => {
    const server = await scene.stage.floor({ SIGNING_KEY_FILE: scene.stage.gcsCredentialsFile });
    return { turn: (seconds) => request(scene, server, seconds), stop: () => server.stop() };
  },
});
