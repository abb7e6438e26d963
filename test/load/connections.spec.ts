import { once } from 'node:events';
import type { Server } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import express, { type Response } from 'express';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerMalformedRequests } from '../../src/common/malformed-requests.js';
import { connectionsWithin, limitConnections, oneRequestAtATime } from '../../src/connection-limits.js';
import { until } from '../support/api-client.js';
import { RawClient } from './raw-client.js';
import { endlessHead, getRequest } from './requests.js';

// That it is full is for the log of a real one.
Logger.overrideLogger(false);

describe('a server with limits on connections', () => {
  let server: Server;
  let port: number;
  /** Requests that have been started, and wait for the test to answer them. */
  let started: { path: string; response: Response }[];
  const clients: RawClient[] = [];

  beforeEach(async () => {
    started = [];
    const app = express();
    app.use(oneRequestAtATime());
    app.use(({ path }, response) => {
      started.push({ path, response });
    });
    server = app.listen(0, '127.0.0.1');
    limitConnections(server);
    answerMalformedRequests(server);
    await once(server, 'listening');
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });

  afterEach(async () => {
    clients.splice(0).forEach((client) => client.leave());
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  async function connect(): Promise<RawClient> {
    const client = await RawClient.connect(port);
    clients.push(client);
    return client;
  }

  async function untilStarted(count: number): Promise<void> {
    await until(async () => (started.length === count ? true : null), `${count} requests to start`);
  }

  it('starts a request when the one before it has been answered, and loses none', async () => {
    const client = await connect();
    client.send(['/a', '/b', '/c'].map((path) => getRequest(path)).join(''));
    for (const count of [1, 2, 3]) {
      await untilStarted(count);
      await turn();
      expect(started).toHaveLength(count);
      started.at(-1)?.response.send('done');
    }
    expect(started.map(({ path }) => path)).toEqual(['/a', '/b', '/c']);
    client.send(getRequest('/d'));
    await untilStarted(4);
  });

  it('keeps the requests of one connection from waiting for those of another', async () => {
    (await connect()).send(getRequest('/a'));
    (await connect()).send(getRequest('/b'));
    await untilStarted(2);
    expect(started.map(({ path }) => path).toSorted()).toEqual(['/a', '/b']);
  });

  it('starts nothing more for a client that has gone', async () => {
    const client = await connect();
    client.send(getRequest('/a').repeat(5));
    await untilStarted(1);
    client.reset();
    await until(async () => (started[0]?.response.closed ? true : null), 'the first answer to be closed');
    await turn();
    expect(started).toHaveLength(1);
  });

  it('cuts off who asks for more than sixteen things ahead', async () => {
    const patient = await connect();
    patient.send(getRequest('/a').repeat(17));
    const greedy = await connect();
    greedy.send(getRequest('/b').repeat(18));
    await until(async () => (greedy.ended ? true : null), 'the greedy client to be cut off');
    expect(patient.ended).toBe(false);
  });

  it('cuts off headers that do not end as soon as their time is over', async () => {
    server.headersTimeout = 500;
    const client = await connect();
    client.send(endlessHead());
    await until(async () => (client.ended ? true : null), 'the client to be cut off');
    expect(client.status).toBe(400);
  });

  it('cuts off who goes on after having been told that this is no request', async () => {
    const client = await connect();
    const talk = setInterval(() => client.send('more of the same\r\n'), 50);
    client.send('hello\r\n\r\n');
    await until(async () => (client.closed ? true : null), 'the client to be cut off').finally(() =>
      clearInterval(talk),
    );
    expect(client.status).toBe(400);
  });

  it('refuses connections beyond its limit, and goes on with those that it has', async () => {
    server.maxConnections = 2;
    const [first, second] = [await connect(), await connect()];
    await until(async () => ((await connectionsOf(server)) === 2 ? true : null), 'both to be there');
    const third = await connect();
    await until(async () => (third.ended ? true : null), 'the third to be refused');
    second.send(getRequest('/a'));
    await untilStarted(1);
    first.leave();
    await until(async () => ((await connectionsOf(server)) === 1 ? true : null), 'the first to be gone');
    (await connect()).send(getRequest('/b'));
    await untilStarted(2);
    expect(started.map(({ path }) => path)).toEqual(['/a', '/b']);
  });
});

describe('the number of connections', () => {
  it.each([
    ['ten thousand where there is plenty', Infinity, 10_000],
    ['ten thousand where there is enough', 20_200, 10_000],
    ['such that each can have a file open', 1024, 412],
    ['never none', 64, 1],
  ])('is %s', (_what, openFiles, expected) => {
    expect(connectionsWithin(openFiles)).toBe(expected);
  });
});

async function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}
