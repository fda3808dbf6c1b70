import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Client, DroneAedes, type PublishPacket } from '../drone-aedes.ts';
import { connectPacket } from './raw-client.ts';
import { until } from './rig.ts';

test("B5: heartbeats pass, so the will of a living client stays where it is; nothing of a drone's is published again", async t => {
  const authorized: string[] = [];
  const published: string[] = [];
  const aedes = new DroneAedes({
    heartbeatInterval: 100,
    authorizePublish(_client, packet, callback) {
      authorized.push(packet.topic);
      callback(null);
    },
  });
  await aedes.listen();
  t.after(() => new Promise<void>(resolve => aedes.close(resolve)));
  const server = createServer(aedes.handle).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await until('the port', () => server.listening);
  aedes.on('publish', ({ topic }) => published.push(topic.replace(aedes.id, 'id')));
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write(connectPacket('nyc-0001', { will: { topic: 'prestacop/v1/nyc/nyc-0001/state', payload: 'offline' } }));
  await until('heartbeats', () => published.filter(topic => topic === '$SYS/id/heartbeat').length > 8);
  assert.deepEqual(authorized, []); // wills are looked through every fourth heartbeat
  socket.destroy();
  await until('the will', () => authorized.length > 0);
  assert.deepEqual(new Set(published.filter(topic => !topic.startsWith('$SYS/'))), new Set());
});

test('B5: a will that Aedes finds without its client goes nowhere and harms nothing', async t => {
  const clients: (Client | null)[] = [];
  const failures: Error[] = [];
  const aedes = new DroneAedes({
    heartbeatInterval: 10,
    authorizePublish(client, _packet, callback) {
      clients.push(client);
      callback(null);
    },
  });
  await aedes.listen();
  t.after(() => new Promise<void>(resolve => aedes.close(resolve)));
  aedes.once('error' as never, ((error: Error) => failures.push(error)) as never);
  const published: string[] = [];
  aedes.on('publish', ({ topic }) => published.push(topic));
  const { persistence } = aedes as unknown as {
    persistence: {
      putWill(client: { id: string; brokerId: string }, packet: object): Promise<void>;
      broker: { id: string };
    };
  };
  const own = persistence.broker.id;
  persistence.broker.id = 'a-broker-that-died'; // putWill stamps it
  await persistence.putWill({ id: 'nyc-0001', brokerId: '' }, { topic: 'state', payload: Buffer.from('x'), qos: 1 });
  persistence.broker.id = own;
  await until('the hook', () => clients.length > 0);
  await wait(0);
  assert.deepEqual(clients, [null]);
  assert.deepEqual(failures, []);
  assert.ok(!published.includes('state'));
});

test('what a client publishes is done at once, whatever its topic', () => {
  const aedes = new DroneAedes();
  let done = 0;
  aedes.publish({ topic: '$SYS/x' } as PublishPacket, { id: 'nyc-0001' } as Client, () => done++);
  aedes.publish({ topic: 'prestacop/x' } as PublishPacket, () => done++);
  assert.equal(done, 2);
});
