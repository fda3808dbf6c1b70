import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  connectPacket,
  connectRaw,
  openRaw,
  packet,
  pingPacket,
  publishPacket,
  subscribePacket,
} from './raw-client.ts';
import { startRig, until } from './rig.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array));
const names = fc.constantFrom(
  '',
  '#',
  '+',
  '__proto__',
  'constructor',
  '$SYS/#',
  '$share/a/b',
  '/'.repeat(200),
  '\u0000',
  'a/b',
);
const anyTopic = fc.oneof(
  names,
  names.map(name => `prestacop/v1/nyc/nyc-0001/${name}`),
);

const rightPacket = fc.constantFrom(
  publishPacket('prestacop/v1/nyc/nyc-0001/telemetry', '{}', 5),
  subscribePacket(6, 'prestacop/v1/nyc/nyc-0001/command'),
  pingPacket,
);
/** Among them nearly right ones: any type, flags and body, and names that have been dangerous elsewhere. */
const anyPacket = fc.oneof(
  { arbitrary: rightPacket, weight: 6 },
  fc.tuple(fc.integer({ min: 0, max: 255 }), bytes(60)).map(([first, body]) => packet(first, body)),
  fc
    .tuple(anyTopic, bytes(40), fc.integer({ min: 0, max: 3 }))
    .map(([topic, payload, id]) => publishPacket(topic, payload, id)),
  fc.tuple(anyTopic, fc.constantFrom<0 | 1 | 2>(0, 1, 2)).map(([topic, qos]) => publishPacket(topic, 'x', 1, qos)),
  anyTopic.map(topic => subscribePacket(1, topic, topic)),
  fc.constantFrom(
    pingPacket,
    connectPacket('nyc-0001'),
    Buffer.from('62020001', 'hex'),
    Buffer.from('50020001', 'hex'),
  ),
  bytes(30),
);

test('whatever bytes come, before or after CONNECT, the process lives and answers others', async t => {
  const rig = await startRig(t, { BROKER_CONNECT_TIMEOUT_MS: 2000 });
  const { mqtt } = rig.broker.ports;
  const crashed: unknown[] = [];
  const note = (error: unknown) => crashed.push(error);
  process.on('unhandledRejection', note).on('uncaughtException', note);
  t.after(() => process.off('unhandledRejection', note).off('uncaughtException', note));
  const bystander = await connectRaw(t, mqtt, 'nyc-0002');
  let pings = 0;

  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(anyPacket, { minLength: 1, maxLength: 8 }), async (connected, packets) => {
      const client = connected ? await connectRaw(t, mqtt, 'nyc-0001') : openRaw(t, mqtt);
      client.send(...packets);
      bystander.send(pingPacket);
      pings++;
      await bystander.answer(pings);
      client.socket.destroy();
      assert.deepEqual(crashed, []);
    }),
    { numRuns: 200 },
  );
  await until('all others are gone', () => rig.broker.connections() === 1);
  assert.deepEqual(crashed, []);
  for (const { topic } of rig.handed) assert.ok(topic.startsWith('prestacop/v1/nyc/nyc-0001/'), topic);
  assert.ok(rig.handed.length > 10, 'the packets were too wrong to get anywhere');
  assert.equal(rig.broker.health().detail?.inFlight, 0);
});
