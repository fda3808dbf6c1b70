import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isQos1Publish, PublishReader } from '../publish-packet.ts';
import { packet, publishPacket, remainingLength, text } from './raw-client.ts';

const topics = fc.constantFrom(
  'a',
  'prestacop/v1/nyc/nyc-0001/telemetry',
  'prestacop/v1/nyc/nyc-0001/violation',
  'prestacop/v1/nyc/nyc-0002/telemetry',
  `prestacop/v1/nyc/nyc-0001/image/${'0'.repeat(64)}`,
);
const payloads = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes));
const ids = fc.integer({ min: 1, max: 65_535 });

/** The packet somewhere in a larger buffer, as the guard finds it. */
function read(reader: PublishReader, bytes: Buffer) {
  const around = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
  const headerBytes = bytes.findIndex((byte, index) => index > 0 && byte < 128) + 1;
  return reader.read(around, 3 + headerBytes, 3 + bytes.length);
}

test('what is read is what was written, on changing topics too', () => {
  const reader = new PublishReader();
  fc.assert(
    fc.property(topics, payloads, ids, (topic, payload, packetId) => {
      const bytes = publishPacket(topic, payload, packetId);
      const length = 4 + topic.length + payload.length;
      const publish = read(reader, bytes);
      assert.deepEqual({ ...publish, payload: undefined }, { topic, packetId, payload: undefined, length });
      assert.ok(publish!.payload.equals(payload));
    }),
  );
});

test('of whatever bytes, only a well-formed packet is read', () => {
  const reader = new PublishReader();
  const nearlyRight = fc
    .tuple(fc.integer({ min: 0, max: 6 }), fc.constantFrom('', 'a', 'ab/c', 'a+'), payloads)
    .map(([length, topic, payload]) => Buffer.concat([Buffer.from([0, length]), Buffer.from(topic), payload]));
  let readable = 0;
  fc.assert(
    fc.property(fc.oneof(payloads, nearlyRight), body => {
      const publish = read(reader, packet(0x32, body));
      if (publish === undefined) return;
      readable++;
      const again = publishPacket(publish.topic, publish.payload, publish.packetId);
      assert.ok(again.equals(Buffer.concat([Buffer.from([0x32]), remainingLength(body.length), body])));
    }),
    { numRuns: 500 },
  );
  assert.ok(readable > 10);
});

test('what is malformed or out of the ordinary is not read', () => {
  const id = Buffer.from([0, 1]);
  const cases: [string, Buffer][] = [
    ['empty', packet(0x32)],
    ['half a length', packet(0x32, Buffer.from([0]))],
    ['a topic beyond the end', packet(0x32, Buffer.from([0, 9]), Buffer.from('abcdefgh'))],
    ['no packet id', packet(0x32, text('a'))],
    ['half a packet id', packet(0x32, text('a'), Buffer.from([1]))],
    ['packet id 0', publishPacket('a', 'x', 0)],
    ['no topic', publishPacket('', 'x', 1)],
    ['NUL', publishPacket('a\0', 'x', 1)],
    ['wildcards', publishPacket('a/+', 'x', 1)],
    ['wildcards', publishPacket('#', 'x', 1)],
    ['$SYS', publishPacket('$SYS/a', 'x', 1)],
    ['a line feed at the end', publishPacket('a\n', 'x', 1)],
    ['not ASCII', publishPacket('é', 'x', 1)],
    ['not UTF-8', packet(0x32, Buffer.from([0, 1, 0xff]), id)],
    ['an empty level', publishPacket('a//b', 'x', 1)],
    ['too many levels', publishPacket('a/'.repeat(101).slice(0, -1), 'x', 1)],
  ];
  const reader = new PublishReader();
  for (const [what, bytes] of cases) assert.equal(read(reader, bytes), undefined, what);
  assert.equal(read(reader, publishPacket('a', 'x', 1))?.topic, 'a');
});

test('the first byte tells QoS 1 from the others, whatever DUP and RETAIN say', () => {
  const passing = Array.from({ length: 256 }, (_, byte) => byte).filter(isQos1Publish);
  assert.deepEqual(passing, [0x32, 0x33, 0x3a, 0x3b]);
});
