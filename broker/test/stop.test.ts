import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { connectRaw, openRaw, publishPacket } from './raw-client.ts';
import { startRig, until } from './rig.ts';

const own = 'prestacop/v1/nyc/nyc-0001';
const will = { topic: `${own}/state`, payload: 'offline' };

test('a stop lets the PUBACKs in flight out, takes nothing new, hands the wills over and ends every connection', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { will });
  const stranger = openRaw(t, rig.broker.ports.mqtt);
  drone.send(...[1, 2, 3].map(id => publishPacket(`${own}/telemetry`, 'x', id)));
  await until('all', () => rig.handed.length === 3);
  rig.answering = true;
  const stopped = rig.broker.stop();
  drone.send(publishPacket(`${own}/telemetry`, 'late', 4));
  const late = connect(rig.broker.ports.mqtt, '127.0.0.1');
  await new Promise(resolve => late.on('error', resolve));
  assert.equal(drone.closed, false);
  for (const { done } of rig.handed.slice()) done();
  await stopped;
  await Promise.all([drone.untilClosed(), stranger.untilClosed()]);
  assert.deepEqual(drone.received(), ['20020000', '40020001', '40020002', '40020003']);
  assert.deepEqual(
    rig.handed.map(({ payload }) => payload),
    ['x', 'x', 'x', 'offline'],
  );
  assert.deepEqual(rig.events, ['connected nyc-0001', 'disconnected nyc-0001']);
  assert.equal(await rig.broker.closed, undefined);
  assert.match((await rig.metrics.expose()).body, /closed_total\{reason="stopped"\} 2\n/);
});

test('a stop does not wait for ever for a message that nobody answers, nor for a drone that does not read', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectRaw(t, rig.broker.ports.mqtt, 'nyc-0001', { will });
  drone.socket.pause();
  drone.send(publishPacket(`${own}/telemetry`, 'x', 1));
  await until('the message', () => rig.handed.length === 1);
  const startedAt = performance.now();
  await rig.broker.stop();
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 1500 && tookMs < 4000, `${tookMs} ms`);
  assert.deepEqual(rig.events, ['connected nyc-0001', 'disconnected nyc-0001']);
  rig.handed[0]!.done();
});

test('a stop with nothing connected is immediate, and a second one is the same', async t => {
  const rig = await startRig(t, { BROKER_WS_PORT: 0 });
  const startedAt = performance.now();
  const stopped = rig.broker.stop();
  assert.equal(rig.broker.stop(), stopped);
  await stopped;
  assert.ok(performance.now() - startedAt < 400);
});
