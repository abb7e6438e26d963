import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Answer } from './api-client.js';

/**
 * Sends exactly these bytes over a connection of its own, as no HTTP client would, and reads the answer until the
 * server closes; a request that is valid has to ask for that with `Connection: close`.
 *
 * @param halfClose ends our side after the last byte, as a client does that dies
 */
export async function rawRequest(
  baseUrl: string,
  bytes: string | Buffer,
  { halfClose = false } = {},
): Promise<Answer<unknown>> {
  const { hostname, port } = new URL(baseUrl);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket[halfClose ? 'end' : 'write'](typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  const text = (await buffer(socket)).toString();
  socket.destroy();
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const [statusLine = '', ...headerLines] = head.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1];
  if (status === undefined) {
    throw new Error('The server closed the connection without an answer');
  }
  const headers = new Headers(
    headerLines.map((line): [string, string] => {
      const [name = '', ...value] = line.split(':');
      return [name, value.join(':').trim()];
    }),
  );
  const json = /json/.test(headers.get('content-type') ?? '');
  return { status: Number(status), headers, body: json ? (JSON.parse(body) as unknown) : body };
}
