import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageKinds } from '../../core/messages.ts';
import { createJudge } from '../acceptance.ts';
import { adapt } from '../adapters/compact.ts';

const stamp = { node: 'node-1', connection: '01K0N1V8A2B3C4D5E6F7G8H9JK' };
const receivedAtMs = 1_795_605_600_500;
const examples = Object.fromEntries(messageKinds.map(({ kind, example }) => [kind, example]));
const telemetry = examples.telemetry as Record<string, unknown>;
const base = 'prestacop/v1/nyc/nyc-0007';

function judge(topic: string, payload: string | Uint8Array) {
  return createJudge(stamp)(topic, Buffer.from(payload as string), receivedAtMs);
}
const judgeTelemetry = (change: object) => judge(`${base}/telemetry`, JSON.stringify({ ...telemetry, ...change }));

test('a valid message of every upward kind goes to its own stream, stamped', () => {
  for (const { kind, content, direction, stream, example } of messageKinds) {
    if (direction === 'down') continue;
    const picture = Buffer.from('ffd8ffe000104a464946', 'hex');
    const id = createHash('sha256').update(picture).digest('hex');
    const topic = content === 'picture' ? `${base}/${kind}/${id}` : `${base}/${kind}`;
    const verdict = judge(topic, content === 'picture' ? picture : JSON.stringify(example));
    assert.equal(verdict.reason, undefined, JSON.stringify(verdict));
    assert.equal(verdict.stream, stream);
    assert.deepEqual(
      { ...verdict.headers },
      {
        topic,
        kind,
        node: 'node-1',
        connection: stamp.connection,
        receivedAtMs: String(receivedAtMs),
        contentType: content === 'json' ? 'application/json' : 'image/jpeg',
      },
    );
  }
});

test('a picture is told from other bytes by how it begins', () => {
  const judgePicture = (bytes: Buffer) =>
    judge(`${base}/image/${createHash('sha256').update(bytes).digest('hex')}`, bytes);
  assert.equal(judgePicture(Buffer.from('89504e470d0a1a0a00', 'hex')).headers.contentType, 'image/png');
  assert.equal(judgePicture(Buffer.from('GIF89a...')).reason, 'NOT_A_PICTURE');
  assert.equal(judgePicture(Buffer.from('ff', 'hex')).reason, 'NOT_A_PICTURE');
});

test('messages of one topic received in the same millisecond share one headers object', () => {
  const judgeOne = createJudge(stamp);
  const payload = Buffer.from(JSON.stringify(telemetry));
  const first = judgeOne(`${base}/telemetry`, payload, receivedAtMs);
  assert.equal(judgeOne(`${base}/telemetry`, payload, receivedAtMs).headers, first.headers);
  assert.notEqual(judgeOne(`${base}/telemetry`, payload, receivedAtMs + 1).headers, first.headers);
});

test('a message of any age is accepted', () => {
  assert.equal(judgeTelemetry({ observedAtMs: 1_000_000_000_000 }).reason, undefined);
  assert.equal(judgeTelemetry({ observedAtMs: receivedAtMs + 86_400_000 }).reason, undefined);
});

const bad: [name: string, topic: string, payload: string | Uint8Array, reason: string][] = [
  ['malformed JSON', `${base}/telemetry`, '{"v":1,', 'NOT_JSON'],
  ['NaN', `${base}/telemetry`, JSON.stringify(telemetry).replace('40.75426', 'NaN'), 'NOT_JSON'],
  ['an array', `${base}/telemetry`, '[]', 'NOT_JSON'],
  ['null', `${base}/telemetry`, 'null', 'NOT_JSON'],
  ['bytes that are no text', `${base}/telemetry`, Uint8Array.of(0xff, 0xfe, 0x00), 'NOT_UTF8'],
  ['no bytes', `${base}/telemetry`, '', 'EMPTY'],
  ['65 KiB of telemetry', `${base}/telemetry`, 'x'.repeat(65 * 1024), 'TOO_LARGE'],
  ['an unknown kind', `${base}/weather`, '{}', 'UNKNOWN_KIND'],
  ['a reserved kind', `${base}/detection`, '{}', 'UNKNOWN_KIND'],
  ['a command from a drone', `${base}/command`, '{}', 'WRONG_DIRECTION'],
  ['a topic with a level too many', `${base}/telemetry/x`, '{}', 'BAD_TOPIC'],
  ['telemetry with a picture id', `${base}/telemetry/${'0'.repeat(64)}`, '{}', 'BAD_TOPIC'],
  ['a picture that is not what its topic says', `${base}/image/${'0'.repeat(64)}`, 'x', 'WRONG_HASH'],
];
for (const [name, topic, payload, reason] of bad) {
  test(`${name} is rejected as ${reason}`, () => {
    const verdict = judge(topic, payload);
    assert.equal(verdict.stream, 'rejected');
    assert.equal(verdict.reason, reason);
    assert.equal(verdict.headers.reason, reason);
    assert.equal(verdict.headers.topic, topic);
  });
}

const badFields: [change: object, reason: string][] = [
  [{ v: 2 }, 'WRONG_VERSION'],
  [{ droneId: 'nyc-0008' }, 'ID_MISMATCH'],
  [{ fleet: 'bos' }, 'ID_MISMATCH'],
  [{ lat: 90.5 }, 'INVALID'],
  [{ lon: -180.5 }, 'INVALID'],
  [{ lat: null }, 'INVALID'],
  [{ headingDeg: 360 }, 'INVALID'],
  [{ mode: 'swim' }, 'INVALID'],
  [{ epoch: 'mine' }, 'INVALID'],
  [{ seq: 0 }, 'BAD_SEQ'],
  [{ seq: -1 }, 'BAD_SEQ'],
  [{ seq: 1.5 }, 'BAD_SEQ'],
  [{ seq: '1' }, 'BAD_SEQ'],
  [{ seq: 2 ** 53 }, 'BAD_SEQ'],
  [{ observedAtMs: 1_795_605_600 }, 'TIME_IN_SECONDS'],
  [{ observedAtMs: 253_370_764_800_000 }, 'TIME_AHEAD'],
  [{ observedAtMs: receivedAtMs + 86_400_001 }, 'TIME_AHEAD'],
];
for (const [change, reason] of badFields) {
  test(`telemetry with ${JSON.stringify(change)} is rejected as ${reason}`, () => {
    assert.equal(judgeTelemetry(change).reason, reason);
  });
}

test('an INVALID rejection says which field and why', () => {
  assert.match(judgeTelemetry({ lat: 90.5 }).headers.detail ?? '', /^\/lat .*90/);
});

test('B9: epoch and seq of a rejected message are copied into headers where they can be found', () => {
  const { epoch, seq } = telemetry as { epoch: string; seq: number };
  const { headers } = judge(`${base}/telemetry`, JSON.stringify(telemetry).slice(0, -1));
  assert.deepEqual([headers.epoch, headers.seq, headers.kind], [epoch, String(seq), 'telemetry']);
  const without = judge(`${base}/telemetry`, '{"seq":1.5,"epoch":"x"').headers;
  assert.deepEqual([without.epoch, without.seq], [undefined, undefined]);
});

test('no bytes on any topic make the judge throw', () => {
  const topics = fc.oneof(
    fc.constantFrom(`${base}/telemetry`, `${base}/violation`, `${base}/state`, `${base}/ack`),
    fc.string(),
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map(text => Buffer.from(text)),
  );
  fc.assert(
    fc.property(topics, bytes, (topic, payload) => {
      const verdict = judge(topic, payload);
      assert.equal(verdict.stream, 'rejected');
    }),
  );
});

test('a fleet with its own format is read by its adapter; the bytes stay, the message stands in a header', () => {
  const judgeOne = createJudge(stamp, adapt);
  const line = '01K0N1V7Z0J8Q4S6T2W9X3Y5AB,7,1795605600.25,40.75,-73.98,100,10,90,55';
  const verdict = judgeOne(`${base}/telemetry`, Buffer.from(line), receivedAtMs);
  assert.equal(verdict.reason, undefined, JSON.stringify(verdict.headers));
  const message = JSON.parse(verdict.headers.message!);
  assert.equal(message.observedAtMs, 1_795_605_600_250);
  assert.equal(message.seq, 7);
  assert.ok(Math.abs(message.altitudeM - 30.48) < 1e-9 && Math.abs(message.speedMps - 5.1444) < 1e-4);

  const refused = judgeOne(`${base}/telemetry`, Buffer.from('1,2,3'), receivedAtMs);
  assert.deepEqual([refused.reason, refused.headers.detail], ['ADAPTER_FAILED', '9 fields expected, 3 found']);
  assert.equal(judgeOne(`${base}/violation`, Buffer.from('1'), receivedAtMs).reason, 'ADAPTER_FAILED');
  const endless = createJudge(stamp, (topic, payload) => ({ ...adapt(topic, payload), note: 'x'.repeat(20_000) }));
  const tooLong = endless(`${base}/telemetry`, Buffer.from(line), receivedAtMs);
  assert.deepEqual([tooLong.reason, tooLong.headers.message], ['ADAPTER_FAILED', undefined]);
  const outOfRange = judgeOne(`${base}/telemetry`, Buffer.from(line.replace('40.75', '140.75')), receivedAtMs);
  assert.equal(outOfRange.reason, 'INVALID');
});
