import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * A client that does what no HTTP library would: stop in the middle, read nothing, go without a word. It does not hang
 * up by itself either when the server ends its half.
 */
export class RawClient {
  /** Bytes that were read. */
  received = 0;
  /** The connection is gone altogether, in both directions. */
  closed = false;
  /** The server has said that it sends no more. */
  ended = false;
  private beginning = '';
  private reading: NodeJS.Timeout | undefined;

  private constructor(private readonly socket: Socket) {
    // Whoever is cut off gets a reset; that is the point here, and no error.
    socket.on('error', () => {});
    socket.once('end', () => {
      this.ended = true;
    });
    socket.once('close', () => {
      this.closed = true;
      this.ended = true;
      clearInterval(this.reading);
    });
  }

  /** @param reads false for one that leaves every answer where it is */
  static async connect(port: number, { reads = true } = {}): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    await once(socket, 'connect');
    const client = new RawClient(socket);
    if (reads) {
      socket.on('data', (chunk: Buffer) => client.note(chunk));
    } else {
      socket.pause();
    }
    return client;
  }

  /** Status of the first answer; null while there is none. */
  get status(): number | null {
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(this.beginning)?.[1];
    return status === undefined ? null : Number(status);
  }

  /** What came first, up to a few hundred characters. */
  get answer(): string {
    return this.beginning;
  }

  send(bytes: string | Uint8Array): void {
    if (this.socket.writable) {
      this.socket.write(bytes);
    }
  }

  /** From now on reads that many bytes at a time, and leaves the rest to the kernel and the server. */
  readSlowly(bytes: number, everyMs: number): void {
    this.socket.removeAllListeners('data');
    this.socket.on('readable', () => {});
    this.reading = setInterval(() => {
      const chunk: unknown = this.socket.read(bytes);
      if (Buffer.isBuffer(chunk)) {
        this.note(chunk);
      }
    }, everyMs);
  }

  /** Says that nothing more will come, and still listens. */
  endHalf(): void {
    this.socket.end();
  }

  /** Goes, with what was not read yet left behind. */
  leave(): void {
    this.socket.destroy();
  }

  /** Goes like a process that was killed, or a phone in a tunnel whose router tells: with a reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  private note(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.beginning.length < 300) {
      this.beginning += chunk.toString('latin1', 0, 500);
    }
  }
}

/** Connects many, some at a time: a listen queue has room for a few hundred. */
export async function connectMany(
  port: number,
  count: number,
  options: { reads?: boolean } = {},
): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  while (clients.length < count) {
    const batch = Math.min(100, count - clients.length);
    clients.push(
      ...(await Promise.all(Array.from({ length: batch }, () => RawClient.connect(port, options)))),
    );
  }
  return clients;
}
