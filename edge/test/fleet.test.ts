import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../core/logging.ts';
import { type Connection, createConnection } from '../connection.ts';
import { createDrone } from '../drone.ts';
import { createFleet } from '../fleet.ts';
import { openOutbox } from '../outbox.ts';
import type { Message } from '../sending.ts';
import { patrolArea } from '../world.ts';
import { startBroker } from './broker.ts';
import { eventually, temporaryFolder, world } from './world.ts';

const startMs = Date.UTC(2026, 10, 25, 15);

/** Ten seconds of three drones by a clock of its own, without a broker; what is then in the outbox. */
async function messagesOf(t: TestContext, seed: number, tickMs: number): Promise<string[]> {
  const path = join(temporaryFolder(t), 'fleet.sqlite');
  let made = 0;
  const outbox = openOutbox(path, { maxBytes: 1e9, newEpoch: () => `01K0N1V7Z0J8Q4S6T2W9X3Y5A${++made}` });
  let nowMs = startMs;
  const fleet = createFleet({
    logger: silentLogger,
    outbox,
    now: () => nowMs,
    imageWidthPx: 320,
    frames: { frameBytes: 20_000, bytesPerDay: 0, telemetryIntervalMs: 500 },
    failed(error) {
      throw error;
    },
  });
  const ids = ['nyc-0001', 'nyc-0002', 'nyc-0003'].map(droneId => ({ droneId, fleet: 'nyc' }));
  outbox.addDrones(ids).forEach((mine, index) => {
    const options = { droneId: mine.droneId, seed, startMs, telemetryIntervalMs: 500, violationsPerHour: 3600 };
    const drone = createDrone(
      { ...options, unqualifiedPct: 10, showsOneSoon: index === 0 },
      world,
      patrolArea(world, seed, index),
    );
    fleet.add(drone, mine, { url: 'mqtt://127.0.0.1:1', ca: undefined, password: 'x', inFlightMax: 8 });
  });
  for (; nowMs <= startMs + 10_000; nowMs += tickMs) fleet.tick(nowMs);
  await fleet.stop(20_000);
  outbox.close();
  const database = new DatabaseSync(path, { readOnly: true });
  t.after(() => database.close());
  const rows = database.prepare('select topic, payload from outbox order by drone_id, kind, seq').all();
  return rows.map(({ topic, payload }) => `${topic} ${Buffer.from(payload as Uint8Array).toString()}`);
}

test('same seed, clock and epoch: the same messages, byte for byte, however the ticks fall', async t => {
  const messages = await messagesOf(t, 1, 100);
  assert.ok(messages.length > 70, `${messages.length} messages`);
  assert.deepEqual(await messagesOf(t, 1, 100), messages);
  assert.deepEqual(await messagesOf(t, 1, 250), messages);
  assert.notDeepEqual(await messagesOf(t, 2, 100), messages);
});

test('a lost link cuts the connection so that the last will is sent; when it is back the drone comes back by itself', async t => {
  const broker = await startBroker(t);
  broker.withhold = true;
  const taken: Message[] = [];
  let [acknowledged, lost] = [0, 0];
  const message = (seq: number): Message => ({
    id: seq,
    droneId: 'nyc-0001',
    kind: 'telemetry',
    epoch: 'E',
    seq,
    topic: 'prestacop/v1/nyc/nyc-0001/telemetry',
    payload: Buffer.from(JSON.stringify({ seq })),
  });
  const connection: Connection = createConnection(
    {
      url: broker.url,
      ca: undefined,
      droneId: 'nyc-0001',
      fleet: 'nyc',
      password: 'password of nyc-0001',
      inFlightMax: 3,
    },
    {
      logger: silentLogger,
      handshakes: { open: 0 },
      take() {
        if (taken.length === 5) return undefined;
        taken.push(message(taken.length + 1));
        return taken.at(-1);
      },
      acknowledged: () => acknowledged++,
      lost() {
        lost++;
        taken.length = 0;
      },
      state: status => Buffer.from(JSON.stringify({ status })),
      command() {},
      failed() {},
    },
  );
  const ticking = setInterval(() => connection.tick(performance.now()), 20);
  t.after(async () => {
    clearInterval(ticking);
    await connection.close(1000);
  });
  const seen = () => broker.received.map(({ kind, body }) => `${kind} ${body.seq ?? body.status}`);
  await eventually('a window', () => seen().includes('telemetry 1'), seen);
  assert.equal(taken.length, 3);
  const before = seen().length;

  connection.setLink(false);
  assert.deepEqual([connection.online, lost], [false, 1]);
  await eventually('the will', () => seen().includes('state offline'), seen);
  assert.equal(broker.received.at(-1)!.retain, true);
  broker.withhold = false;
  connection.setLink(true);
  await eventually(
    'all acknowledged',
    () => acknowledged === 5,
    () => [acknowledged, ...seen()],
  );
  assert.equal(broker.connects, 2);
  assert.deepEqual(seen().slice(before + 1), ['state online', ...[1, 2, 3, 4, 5].map(seq => `telemetry ${seq}`)]);
});

test('D6: the keep-alive is 300 s, the session clean, the will retained at QoS 1', async t => {
  const broker = await startBroker(t);
  const connect = broker.nextConnect();
  const connection = createConnection(
    {
      url: broker.url,
      ca: undefined,
      droneId: 'nyc-0001',
      fleet: 'nyc',
      password: 'password of nyc-0001',
      inFlightMax: 3,
    },
    {
      logger: silentLogger,
      handshakes: { open: 0 },
      take: () => undefined,
      acknowledged() {},
      lost() {},
      state: status => Buffer.from(JSON.stringify({ status })),
      command() {},
      failed() {},
    },
  );
  connection.tick(performance.now());
  t.after(() => connection.close(1000));
  const { keepalive, clean, will, clientId } = await connect;
  assert.deepEqual([keepalive, clean, clientId], [300, true, 'nyc-0001']);
  assert.deepEqual([will?.topic, will?.qos, will?.retain], ['prestacop/v1/nyc/nyc-0001/state', 1, true]);
});
