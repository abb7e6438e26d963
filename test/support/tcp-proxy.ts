import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Stands between a client and a server on this machine: a fixed address in front of one that comes and goes. Can cut
 * what is open, and swallow what is said on it.
 */
export class TcpProxy {
  /** Connections that were ever accepted. */
  accepted = 0;
  private readonly pairs = new Set<readonly [Socket, Socket]>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private target: number,
  ) {}

  static async start(target: number): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') {
      throw new Error('A listening TCP server has a port');
    }
    const proxy = new TcpProxy(server, address.port, target);
    server.on('connection', (client) => proxy.join(client, connect(proxy.target, '127.0.0.1')));
    return proxy;
  }

  /** In front of the server that this URL names. @returns it, and the URL that leads through it */
  static async before(url: string): Promise<{ proxy: TcpProxy; url: string }> {
    const through = new URL(url);
    const proxy = await TcpProxy.start(Number(through.port));
    through.port = String(proxy.port);
    return { proxy, url: through.href };
  }

  /** New connections go to this port from now on. */
  retarget(port: number): void {
    this.target = port;
  }

  /** From now on nothing passes on the open connections, in either direction; new ones are not affected. */
  swallow(): void {
    for (const [client, upstream] of this.pairs) {
      client.unpipe(upstream);
      upstream.unpipe(client);
      client.resume();
      upstream.resume();
    }
  }

  /** Ends the open connections without a good-bye. */
  cut(): void {
    for (const socket of [...this.pairs].flat()) {
      socket.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    for (const socket of [...this.pairs].flat()) {
      socket.destroy();
    }
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket, upstream: Socket): void {
    this.accepted += 1;
    const pair = [client, upstream] as const;
    this.pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        this.pairs.delete(pair);
      });
    }
  }
}
