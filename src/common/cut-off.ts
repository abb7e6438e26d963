import type { Socket } from 'node:net';

/** Destroys a connection unless it has closed by itself until then. Keeps no process alive. */
export function cutOffAfter(socket: Socket, milliseconds: number): void {
  const cut = setTimeout(() => socket.destroy(), milliseconds).unref();
  socket.once('close', () => clearTimeout(cut));
}
