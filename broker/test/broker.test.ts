import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectDrone, startRig, until } from './rig.ts';

const telemetry = 'prestacop/v1/nyc/nyc-0001/telemetry';

test('a PUBACK comes after done, and not before', async t => {
  const rig = await startRig(t);
  rig.answering = false;
  const drone = await connectDrone(t, rig.broker.addresses[0]!, 'nyc-0001');
  let acknowledged = false;
  const published = drone.publishAsync(telemetry, '{}', { qos: 1 }).then(() => {
    acknowledged = true;
  });
  const [message] = await until('a message', () => rig.handed.length > 0 && rig.handed);
  assert.equal(message!.topic, telemetry);
  assert.equal(message!.connection.droneId, 'nyc-0001');
  await drone.subscribeAsync('prestacop/v1/nyc/nyc-0001/command', { qos: 1 }); // a round trip
  assert.equal(acknowledged, false);
  message!.done();
  await published;
});

test('B8: a command reaches the drone once it has subscribed', async t => {
  const rig = await startRig(t);
  const drone = await connectDrone(t, rig.broker.addresses[0]!, 'nyc-0001');
  const topic = 'prestacop/v1/nyc/nyc-0001/command';
  assert.equal(rig.broker.deliver('nyc-0001', topic, Buffer.from('hold')), false);
  const received: string[] = [];
  drone.on('message', (to, payload, { qos }) => received.push(`${to} ${payload} ${qos}`));
  await drone.subscribeAsync(topic, { qos: 1 });
  assert.deepEqual(rig.events, ['connected nyc-0001', 'subscribed nyc-0001']);
  assert.equal(rig.broker.deliver('nyc-0001', topic, Buffer.from('hold')), true);
  await until('the command', () => received.length > 0);
  assert.deepEqual(received, [`${topic} hold 1`]);
});
