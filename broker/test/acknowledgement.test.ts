import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AppError } from '../../core/errors.ts';
import { connectRaw, disconnectPacket, pingPacket, publishPacket, subscribePacket } from './raw-client.ts';
import { connectDrone, startRig, until } from './rig.ts';

const own = 'prestacop/v1/nyc/nyc-0001';
const puback = (id: number) => `4002${id.toString(16).padStart(4, '0')}`;
const failed = new AppError('TEST_FAILED', 'the log is full');

test('a PUBACK comes after done, and not before', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectDrone(t, rig.broker.addresses[0]!, 'nyc-0001');
  let acknowledged = false;
  const published = drone.publishAsync(`${own}/telemetry`, '{}', { qos: 1 }).then(() => {
    acknowledged = true;
  });
  const message = await until('a message', () => rig.handed[0]);
  assert.equal(message.topic, `${own}/telemetry`);
  assert.equal(message.payload, '{}');
  assert.deepEqual([message.connection.droneId, message.connection.fleet], ['nyc-0001', 'nyc']);
  await drone.subscribeAsync(`${own}/command`, { qos: 1 }); // a round trip
  assert.equal(acknowledged, false);
  message.done();
  await published;
});

test('B1: messages are handed over, and PUBACKs go out, in order of arrival', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  const ids = Array.from({ length: 200 }, (_, index) => 1000 - index);
  drone.send(...ids.map(id => publishPacket(`${own}/telemetry`, String(id), id)));
  await until('all', () => rig.handed.length === 200);
  assert.deepEqual(
    rig.handed.map(({ payload }) => Number(payload)),
    ids,
  );
  for (const { done } of rig.handed) done();
  await drone.answer(200);
  assert.deepEqual(drone.received().slice(1), ids.map(puback));
});

test('B2: an error closes the connection without PUBACK, and nothing that came behind it is handed over', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(publishPacket(`${own}/telemetry`, 'a', 1), publishPacket(`${own}/telemetry`, 'b', 2));
  await until('both', () => rig.handed.length === 2);
  rig.handed[0]!.done();
  rig.handed[1]!.done(failed);
  drone.send(publishPacket(`${own}/telemetry`, 'c', 3));
  await drone.untilClosed();
  assert.deepEqual(drone.received().slice(1), [puback(1)]);
  assert.equal(rig.handed.length, 2);
  assert.deepEqual(rig.events, ['connected nyc-0001', 'disconnected nyc-0001']);
  const { body } = await rig.metrics.expose();
  assert.match(body, /prestacop_broker_closed_total\{reason="append-failed"\} 1/);
  assert.match(body, /prestacop_broker_received_total 2\n/);
  assert.match(body, /prestacop_broker_acknowledged_total 1\n/);
  assert.match(body, /prestacop_broker_failed_total 1\n/);
});

test('B2: an error in the middle of a read stops the messages behind it in the same read', async t => {
  const rig = await startRig(
    t,
    {},
    {
      beforeAck: (_topic, payload, _connection, done) => {
        seen.push(Buffer.from(payload).toString());
        done(seen.length === 2 ? failed : undefined);
      },
    },
  );
  const seen: string[] = [];
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(...['a', 'b', 'c', 'd'].map((payload, index) => publishPacket(`${own}/telemetry`, payload, index + 1)));
  await drone.untilClosed();
  assert.deepEqual(seen, ['a', 'b']);
  assert.deepEqual(drone.received().slice(1), [puback(1)]);
});

test('B2: nothing is handed over any more once the connection was closed, in the same read neither', async t => {
  const seen: string[] = [];
  const rig = await startRig(
    t,
    {},
    {
      beforeAck(_topic, payload, connection) {
        seen.push(Buffer.from(payload).toString());
        rig.broker.close(connection);
      },
    },
  );
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(...['a', 'b', 'c'].map((payload, index) => publishPacket(`${own}/telemetry`, payload, index + 1)));
  await drone.untilClosed();
  assert.deepEqual(seen, ['a']);
});

test('done may come after the connection is gone', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(publishPacket(`${own}/telemetry`, 'a', 1), publishPacket(`${own}/telemetry`, 'b', 2));
  await until('both', () => rig.handed.length === 2);
  drone.socket.destroy();
  await until('the end', () => rig.events.length === 2);
  rig.handed[0]!.done();
  rig.handed[1]!.done(failed);
  const again = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  again.send(pingPacket);
  assert.equal(await again.answer(1), 'd000');
  assert.deepEqual(rig.broker.health().detail?.inFlight, 0);
});

test('QoS 0 and QoS 2 go the same way: PUBREC comes after done', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(
    publishPacket(`${own}/telemetry`, 'zero', 0, 0),
    publishPacket(`${own}/telemetry`, 'two', 7, 2),
    pingPacket,
  );
  await until('both', () => rig.handed.length === 2);
  assert.equal(await drone.answer(1), 'd000');
  for (const { done } of rig.handed) done();
  assert.equal(await drone.answer(2), '50020007');
  drone.send(Buffer.from('62020007', 'hex'));
  assert.equal(await drone.answer(3), '70020007');
  assert.equal(rig.broker.health().detail?.inFlight, 0);
});

test('QoS 2 messages that are never released keep no payload', async t => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const rig = await startRig(t, {}, { beforeAck: (_topic, _payload, _connection, done) => setImmediate(done) });
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const payload = Buffer.alloc(1024 * 1024);
  for (let id = 1; id <= 30; id++) {
    drone.send(publishPacket(`${own}/telemetry`, payload, id, 2));
    await drone.answer(id);
  }
  collect();
  const keptMiB = (process.memoryUsage().arrayBuffers - before) / 2 ** 20;
  assert.ok(keptMiB < 10, `${keptMiB} MiB`);
});

test('B3: with a hook that never answers, a connection is read up to its limit and the others go on', async t => {
  const rig = await startRig(t, { BROKER_UNACKED_MAX_PACKETS: 50 });
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  const frames = Array.from({ length: 300 }, (_, index) =>
    publishPacket(`${own}/telemetry`, Buffer.alloc(100_000), index + 1),
  );
  for (const bytes of frames) drone.send(bytes);
  await until('the limit', () => rig.handed.length >= 20); // 2 MiB of 100 kB
  const other = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0002');
  other.send(
    ...Array.from({ length: 60 }, (_, index) => publishPacket('prestacop/v1/nyc/nyc-0002/telemetry', 'b', index + 1)),
    pingPacket,
  );
  await until('the other one', () => rig.handed.length >= 71);
  assert.equal(rig.handed.filter(({ connection }) => connection.droneId === 'nyc-0001').length, 21);
  assert.equal(rig.handed.filter(({ connection }) => connection.droneId === 'nyc-0002').length, 50);
  assert.ok(Number(rig.broker.health().detail?.inFlightBytes) < 2.3 * 2 ** 20);
  rig.answering = true;
  for (const { done } of rig.handed.slice()) done();
  await until('all', () => rig.handed.length === 360);
  await until('the answers', () => rig.broker.health().detail?.inFlight === 0);
});

test('a message outside the own topics closes the connection, and is not handed over', async t => {
  const rig = await startRig(t);
  for (const topic of ['prestacop/v1/nyc/nyc-0002/telemetry', '$SYS/x/heartbeat', 'a', 'prestacop/v1/nyc/nyc-0001']) {
    const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
    drone.send(publishPacket(topic, 'x', 1));
    await drone.untilClosed();
    assert.deepEqual(drone.received(), ['20020000'], topic);
  }
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(publishPacket(`${own}/no-such-kind`, 'x', 1));
  assert.equal(await drone.answer(1), puback(1));
  assert.deepEqual(
    rig.handed.map(({ topic }) => topic),
    [`${own}/no-such-kind`],
  );
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="forbidden-topic"\} 4/);
});

test('a SUBSCRIBE to anything but the own commands gets 0x80 for that filter, and stays without effect', async t => {
  const rig = await startRig(t);
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(subscribePacket(1, '#', `${own}/command`, `$share/g/${own}/command`, '$SYS/#', '+/v1/nyc/+/command'));
  assert.equal(await drone.answer(1), '900700018001808080');
  drone.send(subscribePacket(2, 'prestacop/v1/nyc/nyc-0002/command'));
  assert.equal(await drone.answer(2), '9003000280');
  await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0002');
  assert.equal(rig.broker.deliver('nyc-0002', 'prestacop/v1/nyc/nyc-0002/command', Buffer.from('x')), false);
  assert.deepEqual(rig.events, ['connected nyc-0001', 'subscribed nyc-0001', 'connected nyc-0002']);
  drone.send(pingPacket);
  assert.equal(await drone.answer(3), 'd000');
});

test('B8: a command reaches the drone once it has subscribed, at QoS 1, and no longer than that', async t => {
  const rig = await startRig(t);
  const drone = await connectDrone(t, rig.broker.addresses[0]!, 'nyc-0001');
  const topic = `${own}/command`;
  const command = Buffer.from('hold');
  assert.equal(rig.broker.deliver('nyc-0001', topic, command), false);
  const received: string[] = [];
  drone.on('message', (to, payload, { qos }) => received.push(`${to} ${payload} ${qos}`));
  await drone.subscribeAsync(topic, { qos: 1 });
  assert.deepEqual(rig.events, ['connected nyc-0001', 'subscribed nyc-0001']);
  assert.equal(rig.broker.deliver('nyc-0001', topic, command), true);
  assert.equal(rig.broker.deliver('nyc-0001', `${own}/telemetry`, command), false);
  assert.equal(rig.broker.deliver('nyc-0002', topic, command), false);
  await until('the command', () => received.length > 0);
  assert.deepEqual(received, [`${topic} hold 1`]);
  await drone.unsubscribeAsync(topic);
  assert.equal(rig.broker.deliver('nyc-0001', topic, command), false);
});

test('a drone that does not read its commands holds back at most 256 KiB of them', async t => {
  const rig = await startRig(t);
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(subscribePacket(1, `${own}/command`));
  await drone.answer(1);
  drone.socket.pause();
  let sent = 0;
  await until('a refusal', () => {
    const taken = rig.broker.deliver('nyc-0001', `${own}/command`, Buffer.alloc(100_000));
    if (taken) sent++;
    return !taken;
  });
  assert.ok(sent < 100, `${sent} commands of 100 kB were taken`);
});

test('wills: the one of a lost connection is handed over with that connection, none after DISCONNECT', async t => {
  const rig = await startRig(t);
  const will = { topic: `${own}/state`, payload: 'offline' };
  const orderly = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { will });
  orderly.send(disconnectPacket);
  await orderly.untilClosed();
  const lost = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { will });
  lost.send(publishPacket(`${own}/telemetry`, 'a', 1));
  await lost.answer(1);
  lost.socket.destroy();
  await until('the will', () => rig.handed.length === 2);
  assert.deepEqual(
    rig.handed.map(({ topic, payload }) => `${topic} ${payload}`),
    [`${own}/telemetry a`, `${own}/state offline`],
  );
  assert.equal(rig.handed[1]!.connection, rig.handed[0]!.connection);
  const { body } = await rig.metrics.expose();
  assert.match(body, /closed_total\{reason="disconnected"\} 1\n/);
  assert.match(body, /closed_total\{reason="lost"\} 1\n/);
});

test('wills: it is handed over after an append failure too, and may fail in its turn', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const will = { topic: `${own}/state`, payload: 'offline' };
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { will });
  drone.send(publishPacket(`${own}/telemetry`, 'a', 1));
  (await until('the message', () => rig.handed[0])).done(failed);
  const handed = await until('the will', () => rig.handed[1]);
  assert.equal(handed.connection, rig.handed[0]!.connection);
  handed.done(failed);
  await drone.untilClosed();
  assert.equal(rig.broker.health().detail?.inFlight, 0);
});
