import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { measure } from '../meter.js';
import { atLeast } from '../result.js';
import { compare } from '../rounds.js';
import { headersOf, userAt, type Workload } from '../workload.js';

const run = promisify(execFile);
const SIGNER = join(import.meta.dirname, '..', 'floor', 'signer.js');
const CONNECTIONS = 16;

const BODY = JSON.stringify({ fileName: 'Photo.JPG', mimeType: 'image/jpeg', fileSize: 100_000 });

export const gcsSigning: Workload = {
  id: 'gcs-request',
  title: `Request an upload URL of Google Cloud Storage, ${CONNECTIONS} connections`,
  rounds: (scale) => scale.rounds,
  async run({ stage, scale, users, onRound }) {
    const api = await stage.service('api-gcs', { ...stage.gcsEnvironment, ROLE: 'api' });
    const service = (seconds: number) =>
      measure(stage, api, {
        connections: CONNECTIONS,
        seconds,
        script: (connection) => [
          {
            method: 'POST',
            path: '/v1/media/uploads',
            headers: { ...headersOf(userAt(users, connection)), 'content-type': 'application/json' },
            body: BODY,
          },
        ],
      });
    const floor = async (seconds: number) => {
      const { stdout } = await run(process.execPath, [SIGNER, stage.gcsCredentialsFile, String(seconds)]);
      return { value: Number(stdout) };
    };
    await service(scale.warmUpSeconds);
    const figures = await compare(
      scale.rounds,
      { floor: () => floor(scale.seconds), service: () => service(scale.seconds) },
      onRound,
    );
    await api.stop();
    return {
      id: this.id,
      title: this.title,
      floor: 'bare RSA signing (2048 bits, one thread)',
      unit: 'requests/s',
      figures,
      targets: [atLeast('requests/s', figures.ratio, 0.7)],
    };
  },
};
