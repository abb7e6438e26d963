import { type Socket, connect } from 'node:net';
import { until } from './api-client.js';

const STARTS = [
  '',
  'GET /v1/quota HTTP/1.1\r\n',
  'POST /v1/media/uploads HTTP/1.1\r\nHost: localhost\r\nX-Slow: ',
];
const DRIP_MS = 1000;
/** Node looks for such clients every 30 s, and a head may take 20 s; a busy machine may take its time on top. */
const CUT_TIMEOUT_MS = 65_000;

/** One client that says nothing, one that stops in the middle of its head, and one that sends a byte of it a second. */
export class SlowClients {
  private readonly sockets: Socket[];
  private readonly dripping: NodeJS.Timeout;
  private connected = STARTS.length;

  constructor(port: number) {
    this.sockets = STARTS.map((start) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {}).once('close', () => (this.connected -= 1));
      socket.resume().write(start);
      return socket;
    });
    this.dripping = setInterval(() => this.sockets.at(-1)?.write('a'), DRIP_MS);
  }

  /** Waits until the server has cut off all of them. */
  async untilCut(): Promise<void> {
    await until(
      async () => (this.connected === 0 ? true : null),
      'slow clients to be cut off',
      CUT_TIMEOUT_MS,
    );
  }

  close(): void {
    clearInterval(this.dripping);
    for (const socket of this.sockets) {
      socket.destroy();
    }
  }
}

export const MEBIBYTE = 1024 * 1024;

/** A body with the same mebibyte over and over, behind what has to come first. */
export class Flood {
  /** How much of it somebody has taken, or the network on the way to them. */
  sentMebibytes = 0;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(start: string, mebibytes: number) {
    const piece = new Uint8Array(MEBIBYTE).fill(97);
    this.stream = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from(start)),
      pull: (controller) => {
        if (this.sentMebibytes === mebibytes) {
          controller.close();
        } else {
          controller.enqueue(piece);
          this.sentMebibytes += 1;
        }
      },
    });
  }
}
