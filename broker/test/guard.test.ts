import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../budget.ts';
import { Guard, type GuardLimits } from '../guard.ts';
import { connectPacket, packet, pingPacket, publishPacket, remainingLength } from './raw-client.ts';
import { until } from './rig.ts';

const limits: GuardLimits = {
  packetMaxBytes: 2 * 1024 * 1024,
  unackedMaxPackets: 256,
  unackedMaxBytes: 2 * 1024 * 1024,
  stallTimeoutMs: 60_000,
};

interface Bench {
  guard: Guard;
  drone: Duplex;
  /** What came out of the guard, read as Aedes reads: each `read(null)` one entry. */
  passed: Buffer[];
}

function bench(
  t: TestContext | undefined,
  changes: Partial<GuardLimits> = {},
  budget = new Budget(64 * 1024 * 1024),
): Bench {
  const [drone, socket] = duplexPair();
  const guard = new Guard(socket, { ...limits, ...changes }, budget);
  const passed: Buffer[] = [];
  guard.on('readable', () => {
    const bytes: Buffer | null = guard.read();
    if (bytes !== null) passed.push(bytes);
  });
  drone.on('error', () => {});
  t?.after(() => guard.destroy());
  return { guard, drone, passed };
}

const connectBytes = connectPacket('nyc-0001');
const passedBytes = ({ passed }: Bench) => Buffer.concat(passed);
const publish = (bytes: number) => publishPacket('t', Buffer.alloc(bytes, 1), 1);
/** Bytes of the packet after its fixed header, as `acked` counts. */
const bodyOf = (bytes: number) => bytes + 5;

test('whatever the chunks, the same bytes come out, whole packets only', async () => {
  const anyPacket = fc.oneof(
    fc.integer({ min: 0, max: 300 }).map(publish),
    fc.constant(pingPacket),
    fc.constant(packet(0x82, Buffer.alloc(20))),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyPacket, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 90 })),
      async (packets, cuts) => {
        const all = Buffer.concat([connectBytes, ...packets]);
        const ends = new Set([0]);
        let end = 0;
        for (const { length } of [connectBytes, ...packets]) {
          end += length;
          ends.add(end);
        }
        const it = bench(undefined);
        it.guard.open();
        for (let at = 0, index = 0; at < all.length; index++) {
          const size = cuts.length === 0 ? all.length : cuts[index % cuts.length]!;
          it.drone.write(all.subarray(at, at + size));
          at += size;
          await new Promise(setImmediate);
          assert.ok(ends.has(passedBytes(it).length), 'a part of a packet came out');
        }
        await until('all bytes', () => passedBytes(it).length === all.length);
        assert.ok(passedBytes(it).equals(all));
        it.guard.destroy();
      },
    ),
    { numRuns: 60 },
  );
});

test('until it is opened only the first packet goes through, and it must be a CONNECT', async t => {
  const it = bench(t);
  it.drone.write(Buffer.concat([connectBytes, publish(10), publish(10)]));
  await until('the CONNECT', () => passedBytes(it).length > 0);
  await new Promise(setImmediate);
  assert.ok(passedBytes(it).equals(connectBytes));
  it.guard.open();
  await until('the rest', () => passedBytes(it).length === connectBytes.length + 2 * publish(10).length);

  const other = bench(t);
  other.drone.write(publish(10));
  await until('the close', () => other.guard.destroyed);
  assert.equal(other.guard.reason, 'protocol');
});

test('B3: no PUBLISH passes while as many as the limit are unanswered, within one chunk too', async t => {
  const it = bench(t, { unackedMaxPackets: 3 });
  it.guard.open();
  const size = publish(10).length;
  const passedPublishes = () => (passedBytes(it).length - connectBytes.length) / size;
  it.drone.write(Buffer.concat([connectBytes, ...Array.from({ length: 10 }, () => publish(10))]));
  await until('three', () => passedPublishes() === 3);
  it.drone.write(publish(10));
  await new Promise(setImmediate);
  assert.equal(passedPublishes(), 3);
  it.guard.acked(bodyOf(10));
  await until('a fourth', () => passedPublishes() === 4);
  await new Promise(setImmediate);
  assert.equal(passedPublishes(), 4);
  for (let left = 7; left > 0; left--) {
    it.guard.acked(bodyOf(10));
    await new Promise(setImmediate);
  }
  await until('all', () => passedPublishes() === 11);
});

test('B3: a limit that is reached at the end of a chunk is left again by an answer', async t => {
  const it = bench(t, { unackedMaxPackets: 1 });
  it.guard.open();
  it.drone.write(Buffer.concat([connectBytes, publish(10)]));
  await until('the first', () => passedBytes(it).length === connectBytes.length + publish(10).length);
  it.drone.write(publish(10));
  it.guard.acked(bodyOf(10));
  await until('the second', () => passedBytes(it).length === connectBytes.length + 2 * publish(10).length);
});

test('B3: bytes count as packets do, for one connection and for all together', async t => {
  const one = bench(t, { unackedMaxBytes: 2000 });
  one.guard.open();
  one.drone.write(Buffer.concat([connectBytes, ...Array.from({ length: 5 }, () => publish(1000))]));
  await until('two', () => one.passed.length > 0 && passedBytes(one).length >= 2000);
  await new Promise(setImmediate);
  assert.equal(passedBytes(one).length, connectBytes.length + 2 * publish(1000).length);

  const budget = new Budget(2000);
  const [first, second] = [bench(t, {}, budget), bench(t, {}, budget)];
  for (const it of [first, second]) {
    it.guard.open();
    it.drone.write(connectBytes);
    await until('the CONNECT', () => it.passed.length > 0);
  }
  first.drone.write(Buffer.concat([publish(1000), publish(1000)]));
  await until('the budget is full', () => budget.full);
  second.drone.write(publish(1000));
  await new Promise(setImmediate);
  assert.equal(passedBytes(second).length, connectBytes.length);
  first.guard.close('lost');
  await until('the second goes on', () => passedBytes(second).length > connectBytes.length);
  assert.equal(budget.bytes, bodyOf(1000));
  second.guard.acked(bodyOf(1000));
  assert.deepEqual([budget.packets, budget.bytes], [0, 0]);
});

test('B3: a packet that has begun may come to its end while others fill the broker', async t => {
  const budget = new Budget(1000);
  const [first, second] = [bench(t, {}, budget), bench(t, {}, budget)];
  for (const it of [first, second]) {
    it.guard.open();
    it.drone.write(connectBytes);
    await until('the CONNECT', () => it.passed.length > 0);
  }
  second.drone.write(publish(100).subarray(0, 50));
  await new Promise(setImmediate);
  first.drone.write(publish(1000));
  await until('the budget is full', () => budget.full);
  second.drone.write(Buffer.concat([publish(100).subarray(50), publish(100)]));
  await until('its end', () => passedBytes(second).length === connectBytes.length + publish(100).length);
  await new Promise(setImmediate);
  assert.equal(passedBytes(second).length, connectBytes.length + publish(100).length);
});

test('B1: a PUBLISH passes Aedes by only where Aedes has read everything before it', async t => {
  const [drone, socket] = duplexPair();
  const guard = new Guard(socket, limits, new Budget(2 ** 30));
  t.after(() => guard.destroy());
  const taken: number[] = [];
  drone.write(connectBytes);
  await until('the CONNECT', () => guard.readableLength > 0);
  guard.open(({ packetId }) => taken.push(packetId));
  const plain = (id: number) => publishPacket('t', 'x', id);
  drone.write(plain(1));
  await until('the first', () => guard.readableLength > connectBytes.length);
  assert.deepEqual(taken, []);
  guard.read();
  drone.write(Buffer.concat([plain(2), plain(3), pingPacket, plain(4)]));
  await until('the PINGREQ', () => guard.readableLength > 0);
  assert.deepEqual(taken, [2, 3]);
  assert.ok(guard.read().equals(Buffer.concat([pingPacket, plain(4)])));
  drone.write(plain(5).subarray(0, 3));
  await new Promise(setImmediate);
  drone.write(plain(5).subarray(3));
  await until('the fifth', () => taken.length === 3);
  assert.deepEqual([taken, guard.readableLength], [[2, 3, 5], 0]);
});

test('what Aedes does not read stops the socket', async t => {
  const [drone, socket] = duplexPair();
  const guard = new Guard(socket, limits, new Budget(2 ** 30));
  t.after(() => guard.destroy());
  guard.open();
  drone.write(connectBytes);
  let written = 0;
  const pings = Buffer.concat(Array.from({ length: 5000 }, () => pingPacket));
  while (drone.write(pings) && written < 10_000_000) {
    written += pings.length;
    await new Promise(setImmediate);
  }
  assert.ok(written < 1_000_000, `${written} bytes went in`);
  assert.ok(guard.readableLength < 200_000);
  let read = 0;
  guard.on('readable', () => {
    const bytes: Buffer | null = guard.read();
    read += bytes?.length ?? 0;
  });
  drone.end();
  await until('everything is read', () => read >= written);
});

test('B4: silence inside a packet ends the connection, between packets it does not', async t => {
  const idle = bench(t, { stallTimeoutMs: 40 });
  idle.guard.open();
  idle.drone.write(connectBytes);
  for (const part of [1, 2, 30]) {
    const stalled = bench(t, { stallTimeoutMs: 40 });
    stalled.guard.open();
    stalled.drone.write(Buffer.concat([connectBytes, publish(100).subarray(0, part)]));
    await until('the close', () => stalled.guard.destroyed);
    assert.equal(stalled.guard.reason, 'stalled');
  }
  assert.equal(idle.guard.destroyed, false);
});

test('B4: a packet that comes slowly, but comes, is no stall', async t => {
  const it = bench(t, { stallTimeoutMs: 600 });
  it.guard.open();
  it.drone.write(connectBytes);
  const startedAt = performance.now();
  for (const byte of publish(8)) {
    it.drone.write(Buffer.from([byte]));
    await new Promise(resolve => setTimeout(resolve, 45));
  }
  assert.ok(performance.now() - startedAt > 600);
  await until('the packet', () => passedBytes(it).length === connectBytes.length + publish(8).length);
});

test('a packet above the limit closes from the fixed header on', async t => {
  const header = (first: number, length: number) => Buffer.concat([Buffer.from([first]), remainingLength(length)]);
  const cases: [Buffer, string | undefined][] = [
    [header(0x32, 200 * 1024 * 1024), 'packet-too-large'],
    [header(0x32, 998), 'packet-too-large'],
    [header(0x32, 997), undefined],
    [header(0x82, 70_000), 'packet-too-large'],
    [Buffer.from([0x32, 0xff, 0xff, 0xff, 0xff]), 'malformed'],
  ];
  for (const [bytes, reason] of cases) {
    const it = bench(t, { packetMaxBytes: bytes[0] === 0x82 ? limits.packetMaxBytes : 1000 });
    it.guard.open();
    it.drone.write(connectBytes);
    for (const byte of bytes) it.drone.write(Buffer.from([byte]));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.equal(it.guard.reason, reason, bytes.toString('hex'));
    assert.equal(it.guard.destroyed, reason !== undefined);
  }
});

test('a 2 MiB packet in small pieces costs time in proportion to its bytes', async t => {
  const it = bench(t);
  it.guard.open();
  const large = publish(2 * 1024 * 1024 - 16);
  it.drone.write(connectBytes);
  const cpu = process.cpuUsage();
  for (let at = 0; at < large.length; at += 256) {
    if (!it.drone.write(large.subarray(at, at + 256))) await new Promise(setImmediate);
  }
  await until('the packet', () => passedBytes(it).length === connectBytes.length + large.length);
  const { user } = process.cpuUsage(cpu);
  assert.ok(user < 1_500_000, `${user} us`);
  assert.ok(passedBytes(it).subarray(connectBytes.length).equals(large));
});

test('what is written in one turn is one write to the socket, strings included', async t => {
  const it = bench(t);
  const chunks: Buffer[] = [];
  it.drone.on('data', chunk => chunks.push(chunk));
  const parts = Array.from({ length: 400 }, (_, index) => Buffer.from([index & 255, 2, 3]));
  for (const part of parts) it.guard.write(part);
  it.guard.write('héllo');
  it.guard.write(Buffer.alloc(5000, 7));
  await until('the chunk', () => chunks.length > 0);
  assert.equal(chunks.length, 1);
  assert.ok(chunks[0]!.equals(Buffer.concat([...parts, Buffer.from('héllo'), Buffer.alloc(5000, 7)])));
});

test('a drone that does not read is not read from, and goes on when it reads', async t => {
  const it = bench(t);
  it.guard.open();
  it.drone.write(connectBytes);
  await until('the CONNECT', () => it.passed.length > 0);
  it.guard.write(Buffer.alloc(200_000));
  await new Promise(setImmediate);
  assert.equal(it.guard.write(Buffer.alloc(1)), false);
  it.drone.write(publish(10));
  await new Promise(setImmediate);
  assert.equal(passedBytes(it).length, connectBytes.length);
  it.drone.resume();
  await until('the PUBLISH', () => passedBytes(it).length > connectBytes.length);
});
