import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ChildServer } from '../child-server.js';
import { measure } from '../meter.js';
import { atLeast, type Target } from '../result.js';
import { compareWarm, type Sample } from '../rounds.js';
import { type Scene, uploadRequest, userAt, type Workload } from '../workload.js';

const run = promisify(execFile);
const SIGNER = join(import.meta.dirname, '..', 'floor', 'signer.js');
const CONNECTIONS = 16;

/** What the floor does for so many seconds, and how to end it. */
interface Floor {
  readonly turn: (seconds: number) => Promise<Sample>;
  readonly stop: () => Promise<void>;
}

function gcsWorkload(
  id: string,
  title: string,
  floorTitle: string,
  open: (scene: Scene) => Promise<Floor>,
  targetsFor: (ratio: number) => Target[],
): Workload {
  return {
    id,
    title,
    rounds: (scale) => scale.rounds,
    async run(scene) {
      const { stage } = scene;
      const api = await stage.service('api-gcs', { ...stage.gcsEnvironment, ROLE: 'api' });
      const floor = await open(scene);
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
        targets: targetsFor(figures.ratio),
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

const TITLE = `Request an upload URL of Google Cloud Storage, ${CONNECTIONS} connections`;

export const gcsAgainstSigning = gcsWorkload(
  'gcs-request',
  TITLE,
  'bare RSA signing (2048 bits, one thread)',
  async ({ stage }) => ({
    turn: async (seconds) => {
      const { stdout } = await run(process.execPath, [SIGNER, stage.gcsCredentialsFile, String(seconds)]);
      return { value: Number(stdout) };
    },
    stop: async () => {},
  }),
  (ratio) => [atLeast('requests/s', ratio, 0.7)],
);

/** What is left of a thread that only signs once there is a request to answer and a row to insert. */
export const gcsAgainstHttp = gcsWorkload(
  'gcs-request-http',
  `${TITLE} (to compare)`,
  '`node:http` + `pg`, the one statement, and one RSA signature',
  async (scene) => {
    const server = await scene.stage.floor({ SIGNING_KEY_FILE: scene.stage.gcsCredentialsFile });
    return { turn: (seconds) => request(scene, server, seconds), stop: () => server.stop() };
  },
  () => [],
);
