import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import {
  connectPacket,
  connectRaw,
  disconnectPacket,
  openRaw,
  packet,
  pingPacket,
  publishPacket,
  remainingLength,
  subscribePacket,
} from './raw-client.ts';
import { startRig, until } from './rig.ts';

const connackCode = (code: number) => `200200${code.toString(16).padStart(2, '0')}`;

test('a refused CONNECT gets its return code and then the end', async t => {
  const rig = await startRig(t);
  const state = 'prestacop/v1/nyc/nyc-0002/state';
  const cases: [Buffer, number][] = [
    [connectPacket('NYC 1'), 2],
    [connectPacket(''), 2],
    [connectPacket('nyc-0001', { keepaliveSeconds: 0 }), 2],
    [connectPacket('nyc-0001', { keepaliveSeconds: 1201 }), 2],
    [connectPacket('nyc-0001', { password: 'wrong' }), 4],
    [connectPacket('nyc-0001', { username: 'nyc-0002' }), 4],
    [connectPacket('nyc-0001', { username: undefined, password: undefined }), 4],
    [connectPacket('constructor', { password: 'x' }), 4],
    [connectPacket('__proto__'), 2],
    [connectPacket('nyc-0001', { will: { topic: state, payload: 'x' } }), 5],
  ];
  for (const [bytes, code] of cases) {
    const drone = openRaw(t, rig.broker.ports.mqtt);
    drone.send(bytes, publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', 'x', 1));
    assert.equal(await drone.answer(0), connackCode(code), bytes.toString('latin1'));
    await drone.untilClosed();
  }
  rig.accepting = false;
  const drone = openRaw(t, rig.broker.ports.mqtt);
  drone.send(connectPacket('nyc-0001'));
  assert.equal(await drone.answer(0), connackCode(3), 'B6');
  await drone.untilClosed();
  assert.deepEqual([rig.handed, rig.events], [[], []]);
  const { body } = await rig.metrics.expose();
  for (const [code, count] of [
    [2, 5],
    [3, 1],
    [4, 4],
    [5, 1],
  ]) {
    assert.match(body, new RegExp(`connects_refused_total\\{code="${code}"\\} ${count}\n`));
  }
  assert.match(body, /closed_total\{reason="refused"\} 11\n/);
});

test('B6: a refusal does not touch drones that are connected', async t => {
  const rig = await startRig(t);
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  rig.accepting = false;
  drone.send(publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', 'x', 1));
  assert.equal(await drone.answer(1), '40020001');
});

test('drones named like parts of JavaScript objects are drones like others', async t => {
  const rig = await startRig(t);
  for (const id of ['constructor', 'valueof', 'prototype', 'tostring']) {
    const drone = await connectRaw(t, rig.broker.ports.mqtt, id);
    const topic = `prestacop/v1/nyc/${id}/command`;
    drone.send(
      subscribePacket(1, topic, '__proto__', 'constructor'),
      publishPacket(`prestacop/v1/nyc/${id}/__proto__`, 'x', 2),
    );
    assert.equal(await drone.answer(1), '90050001018080');
    assert.equal(await drone.answer(2), '40020002');
    assert.equal(rig.broker.deliver(id, topic, Buffer.from('x')), true);
  }
  assert.equal(rig.broker.deliver('__proto__', '__proto__', Buffer.from('x')), false);
  rig.broker.closeDrone('__proto__');
  assert.equal(rig.broker.connections(), 4);
});

test('a session that should outlive its connection is a clean one: session present stays 0, nothing is kept', async t => {
  const rig = await startRig(t);
  const command = 'prestacop/v1/nyc/nyc-0001/command';
  const first = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { clean: false });
  first.send(subscribePacket(1, command));
  await first.answer(1);
  first.socket.destroy();
  await until('the end', () => rig.broker.connections() === 0);
  const second = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { clean: false });
  assert.equal(rig.broker.deliver('nyc-0001', command, Buffer.from('x')), false);
  second.send(pingPacket);
  assert.equal(await second.answer(1), 'd000');
});

test('a second connection of a drone ends the first, whose will comes before anything of the second', async t => {
  const rig = await startRig(t);
  const own = 'prestacop/v1/nyc/nyc-0001';
  const will = { topic: `${own}/state`, payload: 'offline' };
  for (const subscribed of [false, true]) {
    rig.handed.length = 0;
    const first = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { will });
    first.send(publishPacket(`${own}/state`, 'online 1', 1));
    await first.answer(1);
    if (subscribed) {
      first.send(subscribePacket(2, `${own}/command`));
      await first.answer(2);
    }
    const second = openRaw(t, rig.broker.ports.mqtt);
    second.send(
      connectPacket('nyc-0001'),
      publishPacket(`${own}/state`, 'online 2', 1),
      subscribePacket(2, `${own}/command`),
    );
    assert.equal(await second.answer(1), '40020001');
    await second.answer(2);
    await first.untilClosed();
    assert.deepEqual(
      rig.handed.map(({ payload }) => payload),
      ['online 1', 'offline', 'online 2'],
    );
    const [online, offline, newer] = rig.handed.map(({ connection }) => connection);
    assert.equal(offline, online);
    assert.ok(newer!.id > online!.id);
    assert.equal(rig.broker.connections(), 1);
    assert.equal(rig.broker.deliver('nyc-0001', `${own}/command`, Buffer.from('x')), true);
    second.send(disconnectPacket);
    await second.untilClosed();
    await until('the end', () => rig.broker.connections() === 0);
  }
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="taken-over"\} 2\n/);
});

test('many connections of one drone at once leave one', async t => {
  const ids: string[] = [];
  const rig = await startRig(t, {}, { connected: ({ id }) => ids.push(id) });
  const clients = Array.from({ length: 20 }, () => openRaw(t, rig.broker.ports.mqtt));
  for (const client of clients) client.send(connectPacket('nyc-0001'));
  await until('one is left', () => clients.filter(({ closed }) => closed).length === 19);
  const [last] = clients.filter(({ closed }) => !closed);
  last!.send(pingPacket);
  await last!.answer(1);
  assert.equal(rig.broker.connections(), 1);
  await until('every end is told', () => rig.events.length === ids.length - 1);
  assert.deepEqual(ids, [...ids].sort(), 'the newer connection has the greater id');
});

test('connections end by id, and by drone', async t => {
  const rig = await startRig(t);
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  drone.send(publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', 'x', 1));
  await drone.answer(1);
  rig.broker.close({ id: 'another' });
  rig.broker.close(rig.handed[0]!.connection);
  await drone.untilClosed();
  const other = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0002');
  rig.broker.closeDrone('nyc-0002');
  await other.untilClosed();
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="ended"\} 2\n/);
});

test('a connection without CONNECT ends after BROKER_CONNECT_TIMEOUT_MS, one with a slow CONNECT too', async t => {
  const rig = await startRig(t, { BROKER_CONNECT_TIMEOUT_MS: 100 });
  const silent = openRaw(t, rig.broker.ports.mqtt);
  const slow = openRaw(t, rig.broker.ports.mqtt);
  slow.send(connectPacket('nyc-0001').subarray(0, 10));
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0002');
  await Promise.all([silent.untilClosed(), slow.untilClosed()]);
  assert.equal(drone.closed, false);
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="connect-timeout"\} 2\n/);
});

test('connections above BROKER_CONNECTIONS_MAX are closed at once, and there is room again when one ends', async t => {
  const rig = await startRig(t, { BROKER_CONNECTIONS_MAX: 2 });
  const first = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0002');
  await openRaw(t, rig.broker.ports.mqtt).untilClosed();
  first.socket.destroy();
  await until('room', () => rig.broker.connections() === 1);
  await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0003');
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="surplus"\} 1\n/);
});

test('a drone that falls silent is noticed after one and a half keep-alives, and its will goes out', async t => {
  const rig = await startRig(t);
  const will = { topic: 'prestacop/v1/nyc/nyc-0001/state', payload: 'offline' };
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { keepaliveSeconds: 1, will });
  await drone.untilClosed();
  await until('the will', () => rig.handed.length === 1);
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="keepalive"\} 1\n/);
});

test('D6: messages alone keep a drone connected beyond one and a half keep-alives, until they end', async t => {
  const rig = await startRig(t);
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { keepaliveSeconds: 1 });
  const startedAt = performance.now();
  for (let id = 1; performance.now() - startedAt < 1700; id++) {
    drone.send(publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', 'x', id));
    await drone.answer(id);
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  await drone.untilClosed();
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="keepalive"\} 1\n/);
});

test('a frozen connection and a 200 MiB unfinished packet change nothing for the others and hold no memory', async t => {
  const rig = await startRig(t, { BROKER_STALL_TIMEOUT_MS: 300 });
  const frozen = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
  frozen.send(publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', Buffer.alloc(1000), 1).subarray(0, 50));
  const huge = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0002');
  const before = process.memoryUsage().arrayBuffers;
  huge.send(Buffer.concat([Buffer.from([0x32]), remainingLength(200 * 1024 * 1024)]));
  const piece = Buffer.alloc(1024 * 1024);
  for (let sent = 0; sent < 200 && !huge.closed; sent++) {
    huge.send(piece);
    await new Promise(setImmediate);
  }
  await huge.untilClosed();
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0003');
  drone.send(publishPacket('prestacop/v1/nyc/nyc-0003/telemetry', 'x', 1));
  assert.equal(await drone.answer(1), '40020001');
  await frozen.untilClosed();
  const { body } = await rig.metrics.expose();
  assert.match(body, /closed_total\{reason="stalled"\} 1\n/);
  assert.match(body, /closed_total\{reason="packet-too-large"\} 1\n/);
  assert.equal(drone.closed, false);
});

test('a stranger can send one small packet and no more', async t => {
  const rig = await startRig(t);
  for (const bytes of [
    packet(0x10, Buffer.alloc(70_000)),
    publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', 'x', 1),
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.from('1603010200010001fc0303', 'hex'),
  ]) {
    const stranger = openRaw(t, rig.broker.ports.mqtt);
    stranger.send(bytes);
    await stranger.untilClosed();
    assert.deepEqual(stranger.received(), []);
  }
  assert.deepEqual(rig.handed, []);
});

test('a socket that is reset at any moment is no error', async t => {
  const rig = await startRig(t);
  for (let index = 0; index < 20; index++) {
    const socket = connect(rig.broker.ports.mqtt, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(connectPacket('nyc-0001').subarray(0, index * 5));
    await new Promise(resolve => socket.once('connect', resolve));
    if (index % 2 === 0) await new Promise(setImmediate);
    socket.resetAndDestroy();
  }
  await until('all are gone', () => rig.broker.connections() === 0);
  await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001');
});
