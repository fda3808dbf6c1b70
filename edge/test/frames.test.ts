import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { silentLogger } from '../../core/logging.ts';
import { createFrames } from '../frames.ts';
import type { DroneOutbox } from '../outbox-drone.ts';
import { startBroker } from './broker.ts';
import { command, fly } from './fly.ts';
import { fleetPath, pictureCounts, pictureRows } from './pictures.ts';
import { eventually } from './world.ts';

/** 20 frames a second and drone. */
const patrol = {
  EDGE_VIOLATIONS_PER_HOUR: '2000',
  EDGE_FRAME_BYTES: '20000',
  EDGE_FRAME_BYTES_PER_DAY: String(20_000 * 20 * 86_400),
};

test('frames come whole and once named by telemetry that is stored with them; what is listed is what was made', async t => {
  const broker = await startBroker(t);
  const { edge, dataDir } = await fly(t, broker, patrol);
  const of = (kind: string) => broker.received.filter(message => message.kind === kind);
  await eventually('60 frames', () => of('frame').length > 60, edge.counts);
  await edge.stop();
  const counts = pictureCounts(fleetPath(dataDir)).filter(({ kind }) => kind === 'frame');
  const made = counts.reduce((sum, count) => sum + count.made, 0);
  assert.deepEqual(
    counts.map(({ refused }) => refused),
    [0, 0],
  );
  const listed = of('telemetry').flatMap(({ droneId, body }) =>
    ((body.frames ?? []) as string[]).map(id => `${droneId} ${id}`),
  );
  assert.deepEqual([listed.length, new Set(listed).size], [made, made]);
  const frames = of('frame');
  assert.deepEqual(new Set(frames.map(({ droneId, imageId }) => `${droneId} ${imageId}`)), new Set(listed));
  for (const { payload, imageId } of frames) assert.equal(hash('sha256', payload!), imageId);
  const bytes = frames.reduce((sum, { payload }) => sum + payload!.length, 0) / frames.length;
  assert.ok(bytes > 15_000 && bytes <= 20_000, `${bytes} bytes a frame`);
  const { kinds, backlogMessages } = of('state').at(-1)!.body as unknown as {
    kinds: Record<string, { made: number; lowestUnacknowledged?: number }>;
    backlogMessages: number;
  };
  assert.deepEqual([kinds.frame!.made > 20, kinds.frame!.lowestUnacknowledged, backlogMessages], [true, undefined, 0]);
});

test('frames that wait when the process ends are sent by the next one', async t => {
  const broker = await startBroker(t);
  broker.refuseWith = 3;
  const first = await fly(t, broker, patrol);
  const path = fleetPath(first.dataDir);
  await eventually('frames wait', () => first.edge.counts().waiting > 60, first.edge.counts);
  await first.edge.stop();
  const waiting = pictureRows(path).map(({ imageId }) => imageId.toLowerCase());
  broker.refuseWith = 0;
  const second = await fly(t, broker, { ...patrol, EDGE_FRAME_BYTES_PER_DAY: '0' }, first.dataDir);
  const got = () => new Set(broker.received.map(({ imageId }) => imageId));
  await eventually('all of them', () => waiting.every(id => got().has(id)), second.edge.counts);
  await second.edge.stop();
});

test('frames are switched off and on by command, and stay off over a restart', async t => {
  const broker = await startBroker(t);
  const one = { ...patrol, EDGE_DRONES: '1' };
  let { edge, dataDir } = await fly(t, broker, one);
  const of = (kind: string) => broker.received.filter(message => message.kind === kind);
  const answered = async (frames: boolean) => {
    const order = command('nyc-0001', 'config', { config: { frames } });
    broker.command('nyc-0001', order);
    const ack = () => of('ack').find(({ body }) => body.commandId === order.commandId);
    await eventually('an ack', () => ack() !== undefined, edge.counts);
    assert.equal(ack()!.body.outcome, 'done');
  };
  const listing = () => of('telemetry').filter(({ body }) => body.frames !== undefined).length;
  await eventually('frames', () => of('frame').length > 5, edge.counts);
  await answered(false);
  const quiet = async () => {
    const [before, telemetry] = [listing(), of('telemetry').length];
    await eventually('telemetry', () => of('telemetry').length > telemetry + 5, edge.counts);
    return listing() - before;
  };
  await quiet(); // frames that were under way
  assert.equal(await quiet(), 0);
  await edge.stop();
  ({ edge } = await fly(t, broker, one, dataDir));
  assert.equal(await quiet(), 0);
  await answered(true);
  const before = of('frame').length;
  await eventually('frames again', () => of('frame').length > before + 5, edge.counts);
  await edge.stop();
});

test('the day has as many frames as were asked for, and a telemetry message is never asked to list more than it can', async () => {
  const drone = { droneId: 'nyc-0001', epoch: 'E', made: { frame: 0 }, acknowledged: { frame: 0 } } as DroneOutbox;
  let refused = 0;
  const outbox = { hasRoomForFrames: () => true, refuseFrames: (_: DroneOutbox, count: number) => (refused += count) };
  const count = async (telemetryIntervalMs: number, bytesPerDay: number, seconds: number) => {
    const options = { frameBytes: 20_000, bytesPerDay, telemetryIntervalMs };
    const frames = createFrames(options, { outbox, logger: silentLogger, failed: assert.ifError })!;
    let [taken, nowMs] = [0, 0];
    await eventually(
      'the pool',
      () => {
        frames.patrol(drone, nowMs, atMs => atMs);
        nowMs += 100;
        taken = frames.next(1e9).length;
        return taken > 0;
      },
      () => taken,
    );
    for (const endMs = nowMs + seconds * 1000; nowMs < endMs; nowMs += 100) {
      frames.patrol(drone, nowMs, atMs => atMs);
      taken += frames.next(1e9).length;
    }
    frames.patrol(drone, nowMs + 3_600_000, atMs => atMs);
    assert.equal(frames.next(1e9).length, 1, 'an hour without a tick is not made up for');
    return taken / seconds;
  };
  const perSecond = await count(1000, 20e9, 60);
  assert.ok(Math.abs(perSecond * 86_400 * 20_000 - 20e9) < 0.8e9, `${perSecond} a second`);
  const atMost = await count(60_000, 20e9, 60);
  assert.ok(atMost <= 256 / 60 + 0.2, `${atMost} a second`);
  assert.equal(refused, 0);
  const none = createFrames(
    { frameBytes: 100_000, bytesPerDay: 0, telemetryIntervalMs: 1000 },
    { outbox, logger: silentLogger, failed: assert.ifError },
  );
  assert.equal(none, undefined);
});
