import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { DroneAedes } from '../drone-aedes.ts';
import { connectRaw, packet, pingPacket, publishPacket, subscribePacket, text } from './raw-client.ts';
import { startRig, until } from './rig.ts';

const own = 'prestacop/v1/nyc/nyc-0001/';

/** Takes messages and answers them in order, some at once and some in a later turn: `later` says which, by turns. */
class Hook {
  readonly handed: string[] = [];
  later: readonly boolean[] = [false];
  #waiting: (() => void)[] = [];

  take(topic: string, payload: Uint8Array, done: () => void): void {
    this.handed.push(`${topic} ${Buffer.from(payload).toString('hex')}`);
    this.#waiting.push(done);
    if (this.later[this.handed.length % this.later.length]) setImmediate(() => this.#answer());
    else this.#answer();
  }

  reset(later: readonly boolean[]): void {
    this.handed.length = 0;
    this.later = later;
  }

  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  #answer(): void {
    // One at a time: an answer lets Aedes read on, and what it reads is answered behind those that wait.
    while (this.#waiting.length > 0) this.#waiting.shift()!();
  }
}

interface Side {
  port: number;
  hook: Hook;
}

async function startOurs(t: TestContext): Promise<Side> {
  const hook = new Hook();
  const { broker } = await startRig(
    t,
    {},
    { beforeAck: (topic, payload, _connection, done) => hook.take(topic, payload, done) },
  );
  return { port: broker.ports.mqtt, hook };
}

/** Aedes alone, to which every packet goes: the oracle. */
async function startAedes(t: TestContext): Promise<Side> {
  const hook = new Hook();
  const aedes = new DroneAedes({
    authorizePublish(client, { topic, payload }, callback) {
      if (client === null || client.closed) return;
      if (topic.startsWith(own)) hook.take(topic, payload as Buffer, () => callback(null));
      else callback(new Error('forbidden'));
    },
  });
  await aedes.listen();
  aedes.on('clientError', () => {});
  const server = createServer({ noDelay: true }, socket => void aedes.handle(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    return new Promise<void>(resolve => aedes.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, hook };
}

interface Seen {
  handed: string[];
  pubacks: string[];
  closed: boolean;
}

async function run(t: TestContext, { port, hook }: Side, chunks: Buffer[], later: readonly boolean[]): Promise<Seen> {
  const client = await connectRaw(t, port, 'nyc-0001');
  hook.reset(later);
  const pongs = () => client.received().filter(answer => answer === 'd000').length;
  for (const chunk of chunks) {
    client.send(chunk);
    await new Promise(setImmediate);
  }
  // Everything is read, then everything is answered, then every answer is here.
  client.send(pingPacket);
  await until('the end or the first PINGRESP', () => client.closed || pongs() >= 1);
  await until('the end or the last PINGRESP', () => {
    if (client.closed) return true;
    if (!hook.idle) return false;
    client.send(pingPacket);
    return true;
  });
  await until('the end or all PINGRESPs', () => client.closed || pongs() === 2);
  const pubacks = client.received().filter(answer => answer.startsWith('4002'));
  const seen = { handed: [...hook.handed], pubacks, closed: client.closed };
  client.socket.destroy();
  return seen;
}

const kinds = fc.constantFrom('telemetry', 'state', 'violation');
const payloads = fc
  .oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 400 }) }, { weight: 1, arbitrary: fc.constant(70_000) })
  .map(length => Buffer.alloc(length, length));
const ids = fc.integer({ min: 1, max: 65_535 });
const plain = fc
  .tuple(fc.constantFrom(0x32, 0x33, 0x3a), kinds, payloads, ids)
  .map(([first, kind, payload, id]) => packet(first, text(own + kind), Buffer.from([id >> 8, id & 255]), payload));
const otherQos = fc
  .tuple(fc.constantFrom<0 | 2>(0, 2), kinds, payloads, ids)
  .map(([qos, kind, payload, id]) => publishPacket(own + kind, payload, id, qos));
const control = fc.constantFrom(subscribePacket(6, `${own}command`), Buffer.from('62020001', 'hex'));
/** Each is taken in a way of its own by Aedes, or ends the connection. */
const unusual = fc.constantFrom(
  publishPacket(`${own}telemetry`, 'id 0', 0),
  publishPacket(`${own}é`, 'not ASCII', 1),
  publishPacket(`${own}a b`, 'a space', 1),
  publishPacket(`${own}\0`, 'NUL', 1),
  publishPacket(own, 'an empty level', 1),
  packet(0x32, Buffer.from([0, own.length + 1]), Buffer.from(own), Buffer.from([0xff, 0, 1])),
  publishPacket(`${own}+`, 'a wildcard', 1),
  publishPacket('', 'no topic', 1),
  publishPacket(`${own}${'a/'.repeat(100)}`, 'deep', 1),
  publishPacket('prestacop/v1/nyc/nyc-0002/telemetry', 'of another drone', 1),
  packet(0x36, text(`${own}telemetry`), Buffer.from([0, 1])),
  packet(0x32, Buffer.from([0, 90]), Buffer.alloc(20)),
);
const packets = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: plain },
    { weight: 2, arbitrary: otherQos },
    { weight: 2, arbitrary: control },
    { weight: 1, arbitrary: unusual },
  ),
  { minLength: 1, maxLength: 20 },
);

test('B1: whatever comes in whatever chunks, messages and PUBACKs are those of Aedes alone, in the same order', async t => {
  const [ours, theirs] = [await startOurs(t), await startAedes(t)];
  const tally = { closed: 0, acknowledged: 0 };
  await fc.assert(
    fc.asyncProperty(
      packets,
      fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 300, max: 3000 })), { maxLength: 6 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
      async (all, sizes, later) => {
        let rest = Buffer.concat(all);
        const chunks: Buffer[] = [];
        for (const size of sizes) {
          chunks.push(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
        chunks.push(rest);
        const [seen, expected] = await Promise.all([run(t, ours, chunks, later), run(t, theirs, chunks, later)]);
        assert.deepEqual(seen.handed, expected.handed);
        assert.equal(seen.closed, expected.closed);
        // How many of the last answers come through when a connection is cut is chance.
        const length = seen.closed ? Math.min(seen.pubacks.length, expected.pubacks.length) : undefined;
        assert.deepEqual(seen.pubacks.slice(0, length), expected.pubacks.slice(0, length));
        if (seen.closed) tally.closed++;
        else tally.acknowledged += seen.pubacks.length;
      },
    ),
    { numRuns: 100 },
  );
  assert.ok(tally.closed > 10 && tally.acknowledged > 200, JSON.stringify(tally));
});
